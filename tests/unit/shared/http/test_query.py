"""Query parameters: wrong ones and unknown ones."""

import httpx


async def test_a_wrong_query_parameter_is_named(client: httpx.AsyncClient) -> None:
    for limit in ("0", "1001", "x", ""):
        answer = await client.get("/v1/numbers", params={"limit": limit})
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid"
        assert [e["field"] for e in answer.json()["errors"]] == ["limit"]


async def test_an_unknown_query_parameter_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/numbers?limit=3&limt=3")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "limt", "message": "is not a query parameter of this path"}
    ]
    assert (await client.get("/livez?x=1")).status_code == 422
