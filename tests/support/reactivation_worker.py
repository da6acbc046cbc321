"""Reactivation in a test: transitions as lifecycle announces them, the worker, the API."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
from pydantic import SecretStr

from services.reactivation.app import create_app
from services.reactivation.settings import ReactivationSettings
from services.reactivation.worker import SUBSCRIPTION, handler
from shared.clock import ClockMode
from shared.events.envelope import Envelope
from shared.instants import render
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, WINBACK_EVENTS
from tests.support.builders import day, event
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.pipeline import publish, published, rows, running, settled
from tests.support.referral_codes import CODE_SECRET
from tests.support.server_stack import Stack

Json = dict[str, Any]


def settings(stack: Stack, database: str, **more: Any) -> ReactivationSettings:
    """Settings of worker and API in log time."""
    return ReactivationSettings(
        kafka_bootstrap=stack.bootstrap,
        database_url=database,
        api_key=SecretStr("key-of-the-tests"),
        **{
            "code_secret": SecretStr(CODE_SECRET),
            "clock": ClockMode.LOG,
            "partitions": PARTITIONS,
            "port": 0,
            "session_timeout_s": 6,
            **more,
        },
    )


def transition(
    customer: str,
    version: int,
    at: float | datetime,
    *,
    to: str = "inactive",
    rule: str = "fell_silent",
    orders: int = 1,
    historical: bool = False,
) -> Json:
    """A transition as it travels."""
    instant = render(at if isinstance(at, datetime) else day(at))
    return {
        "customer": customer,
        "version": version,
        "position": version,
        "from": "at_risk",
        "to": to,
        "rule": rule,
        "occurred_at": instant,
        "recorded_at": instant,
        "evidence": {"deadline": instant},
        "policy": {"name": "default", "version": 1},
        "episode": 1,
        "historical": historical,
        "profile": {
            "orders": orders,
            "revenue": [],
            "margin": [],
            "first_order_at": None,
            "last_order_at": None,
            "deadlines": {},
        },
    }


def changed(customer: str, version: int, at: float | datetime, **more: Any) -> Json:
    """A phase.changed."""
    data = transition(customer, version, at, **more)
    return {**event(customer, "phase.changed", at, id=f"{customer}-{version}"), "data": data}


def corrected(
    customer: str,
    version: int,
    at: float,
    *,
    withdrawn: Iterable[int],
    added: Iterable[Json] = (),
    **more: Any,
) -> Json:
    """A phase.corrected; what is added carries the correction's version."""
    fresh = [{**each, "version": version} for each in added]
    data = {
        "customer": customer,
        "version": version,
        "withdrawn": list(withdrawn),
        "added": fresh,
        "current": None,
        "recorded_at": render(day(at)),
        **more,
    }
    return {**event(customer, "phase.corrected", at, id=f"{customer}-{version}"), "data": data}


async def send(
    stack: Stack, *, events: Iterable[Json] = (), transitions: Iterable[Json] = ()
) -> None:
    """Publish on both topics."""
    await publish(stack.bootstrap, events, topic=CUSTOMER_EVENTS)
    await publish(stack.bootstrap, transitions, topic=PHASE_TRANSITIONS)


@asynccontextmanager
async def worker(stack: Stack, database: str, **more: Any) -> AsyncIterator[None]:
    """The worker, until the block ends."""
    config = settings(stack, database, **more)
    async with running(SUBSCRIPTION, config, handler(config)):
        await eventually(lambda: _owns_everything(database), what="the worker has its partitions")
        yield


async def _owns_everything(database: str) -> bool:
    found = await rows(database, "SELECT count(*) AS n FROM reactivation.checkpoint")
    return bool(found[0]["n"] == len(SUBSCRIPTION.topics) * PARTITIONS)


async def run(stack: Stack, database: str, **more: Any) -> None:
    """The worker, until it has nothing left to do."""
    async with worker(stack, database, **more):
        await settled(stack, database, "reactivation")


async def facts(stack: Stack, customer: str) -> list[Envelope]:
    """What was published about a customer."""
    return [
        each
        for each in await published(stack.bootstrap, WINBACK_EVENTS)
        if each.subject == customer
    ]


@asynccontextmanager
async def api(stack: Stack, database: str, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API."""
    app = create_app(settings(stack, database, **more))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://api",
            headers={"Authorization": "Bearer key-of-the-tests"},
        ) as client,
    ):
        yield client


async def case_of(client: httpx.AsyncClient, customer: str) -> Json:
    """The newest case of a customer."""
    found: Json = (await client.get("/v1/cases", params={"customer": customer})).json()
    newest: Json = found["items"][0]
    return newest
