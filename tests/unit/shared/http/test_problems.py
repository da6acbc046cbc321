"""Errors, as clients see them."""

import httpx
import pytest


async def test_broken_json_is_unreadable_and_a_wrong_body_invalid(
    client: httpx.AsyncClient,
) -> None:
    broken = await client.post(
        "/v1/parcels", content=b'{"weight": ', headers={"content-type": "application/json"}
    )
    assert (broken.status_code, broken.json()["code"]) == (400, "unreadable")
    wrong = await client.post("/v1/parcels", json={"weight": "heavy"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "weight")


async def test_a_body_that_is_no_object_is_told_which_header_it_may_lack(
    client: httpx.AsyncClient,
) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        answer = await client.post(
            "/v1/parcels", content=b'{"weight": 1}', headers={"content-type": kind}
        )
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error == {
            "field": "body",
            "message": "must be a JSON object, sent with Content-Type: application/json",
        }


async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    missing = await client.get("/v1/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = await client.delete("/v1/numbers")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET"


async def test_a_slash_too_many_leads_to_nobody(client: httpx.AsyncClient) -> None:
    for path in ("/v1/numbers/", "/v1/customers/ada/", "/v1/customers/"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


async def test_a_problem_is_answered_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/raise/problem")
    assert answer.status_code == 409
    assert answer.headers["retry-after"] == "7"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": "busy",
        "detail": "It is taken.",
        "errors": [{"field": "a", "message": "b"}],
    }


@pytest.mark.parametrize("name", ["retryable", "postgres", "standby", "socket"])
async def test_what_passes_by_itself_is_503_with_retry_after(
    client: httpx.AsyncClient, name: str
) -> None:
    answer = await client.get(f"/v1/raise/{name}")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
