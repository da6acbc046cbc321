"""What a client sends."""

import json
from datetime import datetime

import httpx
import pytest

from shared.client.errors import Refused
from tests.support.fake_service import BUSY, FakeService, lifecycle, referral


def test_ids_are_one_segment_and_instants_are_told_in_utc() -> None:
    shop = FakeService(httpx.Response(200, json={}))
    at = datetime.fromisoformat("2024-05-01T14:00:00+02:00")
    with lifecycle(shop) as api:
        api.show_phase("a/b ü%2F", as_of=at, model="cxm", language="de")
        api.show_history("c", all=True, limit=5)
    first, second = shop.seen
    assert first.url.raw_path == (
        b"/v1/customers/a%2Fb%20%C3%BC%252F/phase?as_of=2024-05-01T12%3A00%3A00Z&model=cxm"
    )
    assert (first.headers["authorization"], first.headers["accept-language"]) == (
        "Bearer key",
        "de",
    )
    assert second.url.query == b"all=true&limit=5"
    assert "accept-language" not in second.headers


@pytest.mark.parametrize("id", [".", "..", "...", "a.b"])
def test_an_id_of_dots_is_a_name_and_no_step(id: str) -> None:
    shop = FakeService(httpx.Response(200, json={}))
    with lifecycle(shop) as api:
        api.show_history(id)
    assert shop.seen[0].url.raw_path.count(b"/") == "/v1/customers/x/history".count("/")
    assert shop.seen[0].url.path == f"/v1/customers/{id}/history"


def test_an_empty_id_is_refused_before_anything_is_sent() -> None:
    shop = FakeService(httpx.Response(200, json={}))
    with lifecycle(shop) as api, pytest.raises(Refused, match="at least one character"):
        api.show_customer("")
    assert shop.seen == []


def test_one_call_has_one_key_however_often_it_is_sent() -> None:
    shop = FakeService(BUSY, httpx.ReadTimeout("lost"), httpx.Response(201, json={"code": "X"}))
    with referral(shop) as api:
        assert api.issue_code({"customer": "ada"})["code"] == "X"
        api.issue_code({"customer": "ada"})
        api.issue_code({"customer": "ada"}, idempotency_key="mine")
    keys = [request.headers["idempotency-key"] for request in shop.seen]
    assert len(set(keys[:3])) == 1, "the same over its repetitions"
    assert (len(set(keys)), keys[-1]) == (3, "mine")
    assert [json.loads(request.content) for request in shop.seen] == [{"customer": "ada"}] * 5
