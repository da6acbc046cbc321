"""Data of one customer that the database refuses parks that customer, and nobody else."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import pytest

from services.lifecycle.events import RELEASED as RELEASED_IN_LIFECYCLE
from services.reactivation.events import RELEASED as RELEASED_IN_REACTIVATION
from services.referral.events import RELEASED as RELEASED_IN_REFERRAL
from shared.kafka.topics import CUSTOMER_EVENTS, REFERRAL_EVENTS, WINBACK_EVENTS
from shared.stream.bisection import MOST_REFUSED
from shared.stream.consume import consume
from tests.support.builders import event, order, tick
from tests.support.lifecycle_worker import on
from tests.support.pipeline import publish, rows, settled
from tests.support.server_stack import Stack
from tests.support.service_workers import WORKERS, running_worker

REFUSED: Final = 666
CHECKS: Final = {
    "lifecycle": ("event", f"amount IS DISTINCT FROM {REFUSED}"),
    "reactivation": ("order_event", f"details::text NOT LIKE '%{REFUSED}%'"),
    "referral": ("order_event", f"amount IS DISTINCT FROM {REFUSED}"),
}
RELEASES: Final = {
    "lifecycle": (CUSTOMER_EVENTS, RELEASED_IN_LIFECYCLE),
    "reactivation": (WINBACK_EVENTS, RELEASED_IN_REACTIVATION),
    "referral": (REFERRAL_EVENTS, RELEASED_IN_REFERRAL),
}
PARKED_IN: Final = {"lifecycle": "customer", "reactivation": "customer", "referral": "member"}
BAD: Final = sorted([on(3, "bad"), on(3, "worse"), on(4, "worst")])
GOOD: Final = [f"good-{n}" for n in range(60)]


async def refuse(database: str, service: str, table: str, check: str) -> None:
    """Let the service's database refuse some rows."""
    await rows(
        database, f"ALTER TABLE {table} ADD CONSTRAINT refused CHECK ({check})", schema=service
    )


async def parked(database: str, service: str) -> Sequence[tuple[str, str]]:
    table = PARKED_IN[service]
    query = f"SELECT customer, parked FROM {table} WHERE parked IS NOT NULL ORDER BY 1"
    return [tuple(row) for row in await rows(database, query, schema=service)]


async def count(database: str, service: str, table: str) -> int:
    (row,) = await rows(database, f"SELECT count(*) AS n FROM {table}", schema=service)
    found: int = row["n"]
    return found


@pytest.mark.parametrize("service", WORKERS)
async def test_whose_data_is_refused_is_parked_and_released_once_it_is_taken(
    service: str, stack: Stack, blank: str
) -> None:
    table, check = CHECKS[service]
    await refuse(blank, service, table, check)
    events: list[Any] = [order(customer, 0) for customer in GOOD]
    events[30:30] = [order(customer, 0, amount=REFUSED) for customer in BAD]
    await publish(stack.bootstrap, events)
    async with running_worker(service, stack, blank):
        await settled(stack, blank, service)
        found = await parked(blank, service)
        assert [customer for customer, _ in found] == BAD
        assert {reason[:19] for _, reason in found} == {"CheckViolationError"}
        assert await count(blank, service, table) == len(GOOD)
        assert await count(blank, service, "dead_letter") == len(BAD)
        await rows(blank, f"ALTER TABLE {table} DROP CONSTRAINT refused", schema=service)
        topic, kind = RELEASES[service]
        await publish(stack.bootstrap, [event(id, kind, 1) for id in BAD], topic=topic)
        await settled(stack, blank, service)
    assert await parked(blank, service) == []
    assert await count(blank, service, table) == len(GOOD) + len(BAD)
    assert await count(blank, service, "dead_letter") == 0


async def test_whose_deadline_is_refused_is_parked_while_those_of_others_fire(
    stack: Stack, blank: str
) -> None:
    check = f"rule <> 'silence_begins' OR customer <> '{BAD[0]}'"
    await refuse(blank, "lifecycle", "transition", check)
    customers = [*GOOD, *BAD]
    await publish(stack.bootstrap, [*(order(customer, 0) for customer in customers), tick(100)])
    async with running_worker("lifecycle", stack, blank):
        await settled(stack, blank, "lifecycle")
    assert [customer for customer, _ in await parked(blank, "lifecycle")] == [BAD[0]]
    silent = await rows(
        blank, "SELECT customer FROM lifecycle.transition WHERE rule = 'silence_begins'"
    )
    assert {row["customer"] for row in silent} == set(customers) - {BAD[0]}


_TRIGGER: Final = f"""
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
CREATE CONSTRAINT TRIGGER refused AFTER INSERT ON order_event DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.amount = {REFUSED}) EXECUTE FUNCTION refuse();
GRANT EXECUTE ON FUNCTION refuse TO PUBLIC
"""


async def test_what_is_refused_only_at_the_end_of_the_transaction_is_found_as_well(
    stack: Stack, blank: str
) -> None:
    connection = await asyncpg.connect(blank, server_settings={"search_path": "referral"})
    await connection.execute(_TRIGGER)
    await connection.close()
    events = [*(order(id, 0) for id in GOOD), order(BAD[-1], 0, amount=REFUSED)]
    await publish(stack.bootstrap, events)
    async with running_worker("referral", stack, blank):
        await settled(stack, blank, "referral")
    assert [customer for customer, _ in await parked(blank, "referral")] == [BAD[-1]]
    assert await count(blank, "referral", "order_event") == len(GOOD)


async def ended(stack: Stack, database: str) -> None:
    """Run lifecycle's worker until the database's refusal ends it."""
    worker = WORKERS["lifecycle"]
    settings = worker.settings(stack, database)
    with pytest.raises(asyncpg.CheckViolationError):
        async with asyncio.timeout(60):
            await consume(
                worker.subscription,
                settings,
                lambda reader: worker.new_handler(settings, reader),
                asyncio.Event(),
            )
    assert await parked(database, "lifecycle") == []
    assert await count(database, "lifecycle", "event") == 0


async def test_what_is_refused_of_everybody_ends_the_worker_and_parks_nobody(
    stack: Stack, blank: str
) -> None:
    await publish(stack.bootstrap, [order(customer, 0) for customer in GOOD])
    await refuse(blank, "lifecycle", "checkpoint", "next_offset = 0")
    await ended(stack, blank)


async def test_what_is_refused_of_too_many_ends_the_worker_and_parks_nobody(
    stack: Stack, blank: str
) -> None:
    many = [on(3, f"bad-{n}") for n in range(MOST_REFUSED + 1)]
    await publish(stack.bootstrap, [order(customer, 0, amount=REFUSED) for customer in many])
    await refuse(blank, "lifecycle", *CHECKS["lifecycle"])
    await ended(stack, blank)
