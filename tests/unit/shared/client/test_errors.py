"""What a client makes of answers."""

from typing import Any

import httpx
import pytest

from shared.client.errors import ApiError, NotThere, Refused, Unauthorized
from shared.client.ingest import IngestClient
from shared.client.lifecycle import AsyncLifecycleClient
from shared.errors import FieldError
from tests.support.fake_service import HTML, PROBLEM, FakeService, Parts, lifecycle, problem


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(401, "unauthorized"), Unauthorized),
        (problem(404, "unknown_customer"), NotThere),
        (problem(410, "cursor_expired"), NotThere),
        (problem(409, "policy_exists"), Refused),
        (problem(422, "invalid", errors=[{"field": "limit", "message": "too many"}]), Refused),
        (problem(500, "internal"), ApiError),
    ],
)
def test_a_problem_is_an_error_that_says_what_to_do(
    answer: httpx.Response, kind: type[ApiError]
) -> None:
    shop = FakeService(answer)
    with lifecycle(shop) as api, pytest.raises(ApiError) as caught:
        api.show_customer("ada")
    told = answer.json()
    assert (type(caught.value), caught.value.status, caught.value.code) == (
        kind,
        told["status"],
        told["code"],
    )
    assert list(caught.value.errors) == [FieldError(**wrong) for wrong in told["errors"]]
    assert (
        str(caught.value)
        == f"GET /v1/customers/ada answered {told['status']} {told['code']}: Told."
    )
    assert len(shop.seen) == 1, "asking again would not help"


def test_an_answer_of_somebody_in_between_is_an_error_too() -> None:
    for answer in (
        httpx.Response(502, json={"error": "gateway"}),
        httpx.Response(418, text="<html>"),
    ):
        with (
            lifecycle(FakeService(answer), 0) as api,
            pytest.raises(ApiError, match=str(answer.status_code)),
        ):
            api.show_customer("ada")


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (200, {"headers": HTML, "text": "<html>Please log in</html>"}, ApiError),
        (200, {}, ApiError),
        (404, {"headers": PROBLEM}, NotThere),
        (409, {"headers": PROBLEM, "text": '{"code": ["no text"], "errors": 7}'}, Refused),
        (422, {"headers": PROBLEM, "text": '[{"field"'}, Refused),
        (302, {"headers": {"Location": "/v1/customers/ada"}}, ApiError),
        (200, {"headers": {"Content-Encoding": "gzip"}, "stream": Parts(b"no gzip")}, ApiError),
    ],
)
async def test_whatever_comes_that_is_no_answer_is_an_error_of_ours(
    status: int, answer: dict[str, Any], kind: type[ApiError]
) -> None:
    def shop(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, **answer)

    with lifecycle(shop, 0) as api, pytest.raises(ApiError) as caught:
        api.show_customer("ada")
    assert (type(caught.value), caught.value.code) == (kind, "")
    async with AsyncLifecycleClient(
        "http://shop", "key", transport=httpx.MockTransport(shop)
    ) as later:
        with pytest.raises(kind):
            await later.show_customer("ada")


def test_a_receipt_is_an_answer_whatever_its_status() -> None:
    receipt = {
        "accepted": 0,
        "rejected": [{"index": 0, "id": None, "code": "missing", "field": "id", "message": "-"}],
    }
    for status in (202, 422):
        shop = FakeService(httpx.Response(status, json=receipt))
        with IngestClient("http://shop", "key", transport=httpx.MockTransport(shop)) as api:
            assert api.accept_events(b"[{}]") == receipt
        assert (shop.seen[0].content, shop.seen[0].headers["content-type"]) == (
            b"[{}]",
            "application/json",
        )


def test_of_a_merged_customer_the_one_that_it_became_is_read_and_never_changed() -> None:
    moved = {"Location": "/v1/customers/new", "Content-Type": "application/problem+json"}
    merged = httpx.Response(301, headers=moved, content=problem(301, "merged").content)
    shop = FakeService(merged, httpx.Response(200, json={"customer": "new"}))
    with lifecycle(shop) as api:
        assert api.show_customer("old")["customer"] == "new"
    with lifecycle(FakeService(merged)) as api, pytest.raises(Refused, match="merged"):
        api.release_customer("old")
