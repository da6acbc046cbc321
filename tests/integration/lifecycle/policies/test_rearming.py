"""An activation reaches every customer: in batches, across restarts, as if always known."""

from datetime import datetime
from typing import Any, Final

import pytest

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies import registry
from services.lifecycle.policies.document import PolicyDocument
from shared.database import connection as db
from shared.stream.session import Session
from tests.support.builders import day, order, tick
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.lifecycle_worker import history, worker
from tests.support.pipeline import publish, rows, settled
from tests.support.server_stack import Stack

SHORT: Final = Policy(name="short", at_risk_days=30, inactive_days=300, act_within_days=1000)
CUSTOMERS: Final = [f"c{n}" for n in range(40)]
END_CONNECTIONS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
FEW: Final = 2
"""Customers in a batch: several batches for each partition."""


@pytest.fixture
async def shop(stack: Stack, blank: str) -> str:
    """Everybody bought on day 0, and the clock stands on day 10."""
    await publish(stack.bootstrap, [order(customer, 0) for customer in CUSTOMERS])
    await publish(stack.bootstrap, [tick(10)])
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
    return blank


async def activate(database: str, policy: Policy, at: float) -> None:
    connection = await db.connect(database, "lifecycle")
    try:
        await registry.create(connection, PolicyDocument.of(policy))
        await registry.activate(connection, policy.name, policy.version, day(at), PARTITIONS)
    finally:
        await connection.close()


async def adopt(database: str, policy: Policy) -> None:
    connection = await db.connect(database, "lifecycle")
    try:
        await registry.adopt(connection, policy, day(12))
    finally:
        await connection.close()


async def progress(database: str) -> dict[str, Any]:
    (found,) = await rows(
        database,
        "SELECT sum(done)::int AS done, sum(total)::int AS total, bool_and(finished) AS finished"
        " FROM lifecycle.rearming",
    )
    return dict(found)


async def all_follow(database: str) -> bool:
    return bool((await progress(database))["finished"])


async def moves(database: str, customer: str) -> list[tuple[str, Any]]:
    return [(rule, at) for rule, at, void, _ in await history(database, customer) if not void]


async def all_fell_silent(database: str, at: datetime) -> None:
    """Everybody has bought, and then only come to be at risk at this instant."""
    for customer in CUSTOMERS:
        assert await moves(database, customer) == [
            ("first_purchase", day(0)),
            ("silence_begins", at),
        ]


async def test_a_shorter_deadline_fires_at_its_exact_instant_for_everybody(
    stack: Stack, shop: str
) -> None:
    await activate(shop, SHORT, 20)
    async with worker(stack, shop, timers_per_batch=FEW):
        await eventually(lambda: all_follow(shop), what="all customers follow")
        assert await progress(shop) == {
            "done": len(CUSTOMERS),
            "total": len(CUSTOMERS),
            "finished": True,
        }
        await publish(stack.bootstrap, [tick(40)])
        await settled(stack, shop, "lifecycle")
    await all_fell_silent(shop, day(30))


async def test_a_deadline_that_comes_before_the_customer_is_told_is_not_missed(
    stack: Stack, shop: str
) -> None:
    async with worker(stack, shop, timers_per_batch=FEW):
        await activate(shop, SHORT, 20)
        await publish(stack.bootstrap, [tick(60)])
        await settled(stack, shop, "lifecycle")
        await eventually(lambda: all_follow(shop), what="all customers follow")
        await publish(stack.bootstrap, [tick(61)])
        await settled(stack, shop, "lifecycle")
    await all_fell_silent(shop, day(30))


async def test_who_was_folded_beyond_it_before_it_became_known_is_folded_anew(
    stack: Stack, shop: str
) -> None:
    async with worker(stack, shop):
        await publish(stack.bootstrap, [order("early", 15), order("early", 16, id="second")])
        await settled(stack, shop, "lifecycle")
        await activate(
            shop, Policy(name="eager", established_after_orders=2, act_within_days=1000), 12
        )
        await eventually(lambda: all_follow(shop), what="all customers follow")
        await settled(stack, shop, "lifecycle")
    assert await moves(shop, "early") == [("first_purchase", day(15)), ("habit_formed", day(16))]
    assert await moves(shop, CUSTOMERS[0]) == [("first_purchase", day(0))]


async def test_events_that_come_in_between_are_judged_by_it(stack: Stack, shop: str) -> None:
    await activate(shop, SHORT, 20)
    await publish(stack.bootstrap, [order(customer, 25, id="second") for customer in CUSTOMERS])
    async with worker(stack, shop, timers_per_batch=FEW):
        await publish(stack.bootstrap, [tick(56)])
        await settled(stack, shop, "lifecycle")
        await eventually(lambda: all_follow(shop), what="all customers follow")
        await settled(stack, shop, "lifecycle")
    await all_fell_silent(shop, day(55))


async def test_it_goes_on_where_it_stood_when_a_worker_ends(stack: Stack, shop: str) -> None:
    await activate(shop, SHORT, 20)

    async def begun() -> bool:
        return bool((await progress(shop))["done"])

    async with worker(stack, shop, timers_per_batch=1):
        await eventually(begun, what="some customers told", every_s=0.005)
    assert (await progress(shop))["done"] < len(CUSTOMERS)
    async with worker(stack, shop, timers_per_batch=FEW):
        await eventually(lambda: all_follow(shop), what="all customers follow")
    assert await progress(shop) == {
        "done": len(CUSTOMERS),
        "total": len(CUSTOMERS),
        "finished": True,
    }


async def test_another_activation_begins_to_tell_from_the_first_customer_on(
    stack: Stack, shop: str
) -> None:
    await activate(shop, SHORT, 20)
    async with worker(stack, shop, timers_per_batch=1):
        await activate(shop, Policy(name="long", at_risk_days=50, act_within_days=1000), 25)
        await eventually(lambda: all_follow(shop), what="all customers follow")
        await publish(stack.bootstrap, [tick(60)])
        await settled(stack, shop, "lifecycle")
    await all_fell_silent(shop, day(50))


async def test_workers_that_share_the_partitions_tell_everybody_and_go_on(
    stack: Stack, shop: str
) -> None:
    # Kafka waits for a worker that leaves until its session times out: the workers of the next
    # tests would wait for "2".
    other = worker(stack, shop, worker="2", session_timeout_s=2)
    async with worker(stack, shop, timers_per_batch=FEW), other:
        await publish(stack.bootstrap, [order("early", 11)])
        await settled(stack, shop, "lifecycle")
        await activate(shop, SHORT, 20)
        await eventually(lambda: all_follow(shop), what="all customers follow")
        await publish(stack.bootstrap, [tick(40)])
        await settled(stack, shop, "lifecycle")
    assert await moves(shop, CUSTOMERS[-1]) == [
        ("first_purchase", day(0)),
        ("silence_begins", day(30)),
    ]


async def test_a_deadline_that_an_activation_at_the_clock_brings_is_judged_without_another_tick(
    stack: Stack, shop: str
) -> None:
    hasty = Policy(name="hasty", at_risk_days=5, inactive_days=300, act_within_days=1000)
    async with worker(stack, shop):
        await activate(shop, hasty, 10)
        await eventually(lambda: all_follow(shop), what="all customers follow")
    await all_fell_silent(shop, day(10))


async def test_a_worker_that_begins_anew_does_not_bring_its_policy_file_back(
    stack: Stack, shop: str
) -> None:
    """Another process has adopted another file since."""
    sessions = list[Session]()
    async with worker(stack, shop, watch=sessions.append):
        await publish(stack.bootstrap, [order("early", 11)])
        await settled(stack, shop, "lifecycle")
        await adopt(shop, SHORT)
        await rows(shop, END_CONNECTIONS)
        await eventually(lambda: len(sessions) > 1, what="another session")
        await publish(stack.bootstrap, [order("late", 11), tick(12)])
        await settled(stack, shop, "lifecycle")
    found = await rows(shop, "SELECT name FROM lifecycle.activation ORDER BY number")
    assert found[-1]["name"] == "short"
