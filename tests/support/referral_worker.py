"""Referral in a test: worker and API, the events that it reads, and what it has stored."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr

from services.referral.app import create_app
from services.referral.batch.handler import ReferralHandler
from services.referral.settings import ReferralSettings
from services.referral.worker import SUBSCRIPTION
from shared.clock import ClockMode
from shared.events.envelope import CLOCK_TICKED, Envelope
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS
from tests.support.builders import day, event
from tests.support.fresh_servers import PARTITIONS
from tests.support.pipeline import publish, published, rows, running, settled
from tests.support.referral_codes import CODE_SECRET, code_of
from tests.support.server_stack import Stack


def settings(stack: Stack, database: str, **more: Any) -> ReferralSettings:
    """Settings of worker and API in log time."""
    return ReferralSettings(
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


@asynccontextmanager
async def client_of(config: ReferralSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, which runs in this process."""
    app = create_app(config)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://test",
            headers={"Authorization": "Bearer key-of-the-tests"},
        ) as client,
    ):
        yield client


async def run(stack: Stack, database: str, events: Sequence[dict[str, Any]], **more: Any) -> None:
    """Publish events (transitions on their own topic, ticks on both) and let the worker finish."""
    config = settings(stack, database, **more)
    here = [e for e in events if not e["type"].startswith("phase.")]
    there = [e for e in events if e["type"].startswith("phase.") or e["type"] == CLOCK_TICKED]
    await publish(stack.bootstrap, here, topic=CUSTOMER_EVENTS)
    await publish(stack.bootstrap, there, topic=PHASE_TRANSITIONS)
    async with running(SUBSCRIPTION, config, lambda reader: ReferralHandler(reader, config)):
        await settled(stack, database, "referral")


def advocate(customer: str, at: float, *, historical: bool = False) -> dict[str, Any]:
    """Lifecycle makes a customer an advocate."""
    move: dict[str, Any] = {
        "to": "advocate",
        "occurred_at": day(at).isoformat(),
        "historical": historical,
    }
    return event(customer, "phase.changed", at, **move)


def signed_up(customer: str, at: float, recommender: str) -> dict[str, Any]:
    """A sign-up with the code of a recommender."""
    return event(customer, "customer.signed_up", at, referral_code=code_of(recommender))


def refund(customer: str, at: float, order_id: str, amount: int) -> dict[str, Any]:
    """A refund of an order, in euro cents."""
    return event(
        customer,
        "order.refunded",
        at,
        order_id=order_id,
        amount={"amount": amount, "currency": "EUR"},
    )


async def balance(database: str, customer: str) -> tuple[int, int]:
    """Pending and available, after a check that no posting is out of balance."""
    wrong = await rows(
        database,
        "SELECT posting_id FROM referral.entry GROUP BY 1, currency HAVING sum(amount) <> 0",
    )
    assert not wrong
    query = """
        SELECT account, sum(amount)::bigint AS n FROM referral.entry
        WHERE customer = $1 GROUP BY 1
    """
    sums = {row["account"]: row["n"] for row in await rows(database, query, customer)}
    return sums.get("customer:pending", 0), sums.get("customer:available", 0)


async def balances(database: str, *customers: str) -> list[tuple[int, int]]:
    """The balance of each of these customers."""
    return [await balance(database, customer) for customer in customers]


async def announced(stack: Stack, *customers: str) -> list[Envelope]:
    """What was announced of these customers."""
    return [e for e in await published(stack.bootstrap, REFERRAL_EVENTS) if e.subject in customers]


async def claims(database: str, referee: str) -> list[tuple[str, str | None]]:
    """State and reason of the claims of an id, in the order of their touches."""
    query = (
        "SELECT state, reason FROM referral.claim WHERE referee = $1 ORDER BY time, source, event"
    )
    return [(row["state"], row["reason"]) for row in await rows(database, query, referee)]


def merged(customer: str, at: float, into: str) -> dict[str, Any]:
    """A merge of one id into another."""
    return event(customer, "customer.merged", at, into=into)


def unmerged(customer: str, at: float) -> dict[str, Any]:
    """The merge of an id taken back."""
    return event(customer, "customer.unmerged", at)


async def under_way(database: str) -> int:
    """What is in clearing: 0 when every transfer has arrived."""
    query = """
        SELECT coalesce(sum(amount), 0)::bigint AS n FROM referral.entry
        WHERE account = 'program:clearing'
    """
    found: int = (await rows(database, query))[0]["n"]
    return found
