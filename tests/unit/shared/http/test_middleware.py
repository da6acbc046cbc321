"""The middleware: key, size, path, ids and metrics."""

from collections.abc import AsyncIterator

import httpx
import pytest
from structlog.testing import capture_logs


async def test_everything_but_the_probes_needs_the_key(client: httpx.AsyncClient) -> None:
    del client.headers["Authorization"]
    for path in ("/v1/numbers", "/openapi.json", "/nowhere", "/metrics/"):
        answer = await client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "unauthorized"
    for path in ("/livez", "/readyz", "/metrics"):
        assert (await client.get(path)).status_code == 200, path


@pytest.mark.parametrize(
    "given",
    ["Bearer", "Bearer wrong", "secret", "Basic secret", "Bearer key-of-the-tests2", "Bearer ü"],
)
async def test_a_wrong_key_is_no_key(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/v1/numbers", headers=[(b"Authorization", given.encode("latin-1"))])
    assert answer.status_code == 401


async def test_the_scheme_of_the_key_has_no_case(client: httpx.AsyncClient) -> None:
    assert (
        await client.get("/v1/numbers", headers={"Authorization": "bearer key-of-the-tests"})
    ).status_code == 200


async def test_a_body_that_is_too_large_is_refused_by_its_length_and_while_it_streams(
    client: httpx.AsyncClient,
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 100

    for content in (b" " * 1001, endless()):
        answer = await client.post(
            "/v1/parcels", content=content, headers={"content-type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_request_and_correlation_ids_are_kept_or_made(client: httpx.AsyncClient) -> None:
    given = await client.get("/livez", headers={"X-Request-Id": "r1", "X-Correlation-Id": "c1"})
    assert (given.headers["x-request-id"], given.headers["x-correlation-id"]) == ("r1", "c1")
    made = await client.get("/livez", headers={"X-Request-Id": "with space"})
    assert len(made.headers["x-request-id"]) == 32
    assert made.headers["x-correlation-id"] == made.headers["x-request-id"]


async def test_requests_are_counted_by_route_and_not_by_path(client: httpx.AsyncClient) -> None:
    await client.get("/v1/customers/somebody")
    text = (await client.get("/metrics")).text
    assert (
        'stammkunde_http_requests_total{method="GET",route="/v1/customers/{customer}",status="200"}'
        in text
    )
    assert "somebody" not in text


async def test_a_bug_is_500_and_tells_nothing(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        answer = await client.get("/v1/raise/bug")
    assert ("http.failed", "/v1/raise/{name}") in [
        (line["event"], line.get("route")) for line in logs
    ]
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "internal detail" not in answer.text
    assert answer.headers["x-request-id"]
