"""Pages of lists and their cursors."""

import httpx
import pytest

from shared.http.pages import encode_cursor
from tests.support.parcel_app import UTC_NOON


async def test_a_list_is_walked_page_by_page(client: httpx.AsyncClient) -> None:
    seen: list[int] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = (await client.get("/v1/numbers", params={"limit": "3", **cursor})).json()
        seen += page["items"]
        cursor = {"cursor": page["next_cursor"]}
    assert seen == list(range(10))
    assert page["next_cursor"] is None


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "",
        "é",
        "W10",
        encode_cursor("1"),
        encode_cursor(1, 2),
        "bnVsbA",
        "A" * 5000,
        "W3RydWVd",
    ],
)
async def test_a_cursor_of_something_else_is_refused(
    client: httpx.AsyncClient, cursor: str
) -> None:
    answer = await client.get("/v1/numbers", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("text", ["😀" * 128, "\x01" * 128, "zero\u200bwidth"])
async def test_a_cursor_of_any_id_is_one_that_we_take(client: httpx.AsyncClient, text: str) -> None:
    cursor = encode_cursor(UTC_NOON, text, 1)
    assert (await client.get("/v1/customers/c/history", params={"cursor": cursor})).json()["after"][
        1
    ] == text


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_a_cursor_with_text_that_no_database_holds_is_refused(
    client: httpx.AsyncClient, text: str
) -> None:
    cursor = encode_cursor(UTC_NOON, text, 1)
    answer = await client.get("/v1/customers/c/history", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_a_cursor_carries_instants_texts_and_numbers(client: httpx.AsyncClient) -> None:
    cursor = encode_cursor(UTC_NOON, "ü/😀", 2**40)
    answer = await client.get("/v1/customers/c/history", params={"cursor": cursor})
    assert answer.json()["after"] == ["2024-05-01T12:00:00Z", "ü/😀", 2**40]
