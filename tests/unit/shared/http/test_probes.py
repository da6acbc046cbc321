"""The probes of a process."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.errors import Misconfigured
from shared.http import (
    create_app,
)
from tests.support.parcel_app import client_of, settings


async def _fails() -> None:
    raise Misconfigured("topic x has 3 partitions")


async def _hangs() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("ready", "says"), [(_fails, "topic x has 3 partitions"), (_hangs, "No answer within")]
)
async def test_an_unready_service_says_why(
    ready: Callable[[], Awaitable[None]], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.http.probes.READY_WITHIN_S", 0.05)
    async with client_of(create_app(service="test", settings=settings(), ready=ready)) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert says in answer.json()["detail"]
        assert (await client.get("/livez")).status_code == 200


async def test_a_loop_that_stands_still_is_not_live() -> None:
    async with client_of(
        create_app(service="test", settings=settings(), live=lambda: False)
    ) as client:
        assert (await client.get("/livez")).json()["code"] == "not_live"
