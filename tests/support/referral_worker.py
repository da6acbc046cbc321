"""Referral in a test: the settings of worker and API, and a client of the API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr

from services.referral.app import create_app
from services.referral.settings import ReferralSettings
from shared.clock import ClockMode
from tests.support.fresh_servers import PARTITIONS
from tests.support.server_stack import Stack


def settings(stack: Stack, database: str, **more: Any) -> ReferralSettings:
    """Settings of worker and API in log time."""
    return ReferralSettings(
        kafka_bootstrap=stack.bootstrap,
        database_url=database,
        api_key=SecretStr("key"),
        **{
            "clock": ClockMode.LOG,
            "partitions": PARTITIONS,
            "port": 0,
            "session_timeout_s": 6,
            **more,
        },
    )


@asynccontextmanager
async def client_of(config: ReferralSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, which runs in this process."""
    app = create_app(config)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://test",
            headers={"Authorization": "Bearer key"},
        ) as client,
    ):
        yield client
