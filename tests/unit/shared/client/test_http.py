"""The asynchronous client."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from shared.client.errors import NotThere
from shared.client.lifecycle import AsyncLifecycleClient
from shared.client.referral import AsyncReferralClient
from tests.support.fake_service import BUSY, FakeService, problem


async def test_the_asynchronous_client_does_the_same() -> None:
    shop = FakeService(
        BUSY,
        httpx.ConnectError("refused"),
        httpx.Response(200, json={"code": "X"}),
        problem(404, "no_code"),
    )
    async with AsyncReferralClient(
        "http://shop", "key", transport=httpx.MockTransport(shop)
    ) as api:
        assert (await api.issue_code({"customer": "ada"}))["code"] == "X"
        with pytest.raises(NotThere):
            await api.show_code("bob")
    assert len({request.headers["idempotency-key"] for request in shop.seen[:3]}) == 1
    files = FakeService(
        httpx.Response(200, headers={"Content-Type": "application/x-ndjson"}, text="one\n")
    )
    async with (
        AsyncLifecycleClient("http://shop", "key", transport=httpx.MockTransport(files)) as other,
        other.list_customers_as("application/x-ndjson") as parts,
    ):
        assert [part async for part in parts] == [b"one\n"]


async def test_many_may_use_one_asynchronous_client_at_once() -> None:
    shop = FakeService(
        httpx.Response(200, json={"as_of": datetime(2024, 5, 1, tzinfo=UTC).isoformat()})
    )
    async with AsyncLifecycleClient(
        "http://shop", "key", transport=httpx.MockTransport(shop)
    ) as api:
        await asyncio.gather(*(api.count_phases() for _ in range(20)))
    assert len(shop.seen) == 20
