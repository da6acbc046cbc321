"""Ids and instants in requests."""

import httpx
import pytest

from tests.support.parcel_app import ODD_IDS


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z"),
        ("2024-05-01T14:00:00.5%2B02:00", "2024-05-01T12:00:00.500000Z"),
        ("2024-05-01T14:00:00.5+02:00", "2024-05-01T12:00:00.500000Z"),
        ("2024-05-01T14:00%2B0200", "2024-05-01T12:00:00Z"),
        ("2024-05-01%2014:00:00%20%2B0200", "2024-05-01T12:00:00Z"),
        ("2024-05-01t12:00:00.123456789z", "2024-05-01T12:00:00.123456Z"),
        ("2024-05-01T14:00%2B02:00%5BEurope/Berlin%5D", "2024-05-01T12:00:00Z"),
    ],
)
async def test_an_instant_comes_back_in_utc(
    client: httpx.AsyncClient, text: str, read: str
) -> None:
    assert (await client.get(f"/v1/instant?at={text}")).json() == {"at": read}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1714564800",
        "2024-05-01",
        "2024-05-01T12:00:00",
        "2024-02-30T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "1900-01-01T00:00:00%2B01:00",
        "٢٠٢٤-05-01T12:00:00Z",
    ],
)
async def test_an_instant_without_a_zone_or_out_of_reach_is_refused(
    client: httpx.AsyncClient, text: str
) -> None:
    answer = await client.get(f"/v1/instant?at={text}")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "at"
    assert "URL" not in error["message"]


@pytest.mark.parametrize(("sent", "meant"), ODD_IDS)
async def test_an_id_may_hold_slashes_and_emoji(
    client: httpx.AsyncClient, sent: str, meant: str
) -> None:
    assert (await client.get(f"/v1/customers/{sent}")).json() == {"customer": meant}
    assert (await client.get(f"/v1/customers/{sent}/history")).json()["history"] == meant


@pytest.mark.parametrize("sent", ["%00", "a%0Ab", "x" * 129, "a%E2%80%AEb", "a%E2%80%A8b"])
async def test_an_id_that_cannot_be_is_refused(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get(f"/v1/customers/{sent}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "customer"
