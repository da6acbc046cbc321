"""Lifecycle's worker on real Kafka and PostgreSQL: events go in, transitions come out."""

from typing import Any

import msgspec
import pytest

from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.worker import SUBSCRIPTION
from shared.events import transitions
from shared.events.transitions import Correction, Transition
from shared.kafka.topics import PHASE_TRANSITIONS
from tests.support.builders import day, event, order, tick
from tests.support.pipeline import publish, published, rows, running, settled, worker_settings
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")


async def run(stack: Stack, database: str, events: list[dict[str, Any]], **settings: Any) -> None:
    config = worker_settings(stack, database, **settings)
    await publish(stack.bootstrap, events)
    async with running(
        SUBSCRIPTION, config, lambda reader: LifecycleHandler(reader, config, PolicyFile(Policy()))
    ):
        await settled(stack, database, "lifecycle")


async def restated(database: str) -> dict[str, int]:
    """How often something has changed on days that were over."""
    found = await rows(
        database, "SELECT day::text, sum(number)::int AS n FROM lifecycle.restated GROUP BY 1"
    )
    return {row["day"]: row["n"] for row in found}


async def announced(stack: Stack, customer: str) -> list[Transition | Correction]:
    found = [
        e for e in await published(stack.bootstrap, PHASE_TRANSITIONS) if e.subject == customer
    ]
    return [a for a in map(transitions.decode, found) if a is not None]


async def test_a_life_from_first_contact_to_return_is_announced_with_exact_instants(
    stack: Stack, database: str
) -> None:
    life = [
        event("ada", "customer.signed_up", 0), order("ada", 10), order("ada", 20), order("ada", 30),
        tick(31.5), tick(150), tick(211), order("ada", 220), tick(221),
    ]  # fmt: skip
    await run(stack, database, life)
    found = await announced(stack, "ada")
    assert [(t.rule, t.version, t.to) for t in found if isinstance(t, Transition)] == [
        ("first_contact", 1, "prospect"),
        ("first_purchase", 2, "new"),
        ("habit_formed", 3, "established"),
        ("silence_begins", 4, "at_risk"),
        ("fell_silent", 5, "inactive"),
        ("returned", 6, "won_back"),
    ]
    silence = found[3]
    assert isinstance(silence, Transition)
    assert silence.evidence.deadline == silence.occurred_at
    assert silence.profile.orders == 3


async def test_a_late_order_withdraws_the_silence_it_disproves_in_one_correction(
    stack: Stack, database: str
) -> None:
    await run(stack, database, [order("ben", 300), tick(395)])
    await run(stack, database, [order("ben", 380), tick(396)])
    first, silence, correction = await announced(stack, "ben")
    assert isinstance(first, Transition)
    assert isinstance(silence, Transition)
    assert silence.rule == "silence_begins"
    assert isinstance(correction, Correction)
    assert (correction.version, correction.withdrawn, correction.added) == (3, (2,), ())
    assert correction.current == "new"
    current = await rows(
        database,
        "SELECT rule FROM lifecycle.transition WHERE customer = 'ben' AND withdrawn IS NULL",
    )
    assert [row["rule"] for row in current] == ["first_purchase"]


async def test_the_same_event_twice_counts_once_and_a_conflicting_one_is_set_aside(
    stack: Stack, database: str
) -> None:
    first = order("cy", 0, id="o-1")
    other = order("cy", 0, id="o-1", amount=9999)
    await run(stack, database, [first, first, other, order("cy", 1)])
    await run(stack, database, [first, other])
    state = (await rows(database, "SELECT state FROM lifecycle.customer WHERE customer = 'cy'"))[0][
        "state"
    ]
    assert msgspec.json.decode(state)["orders"] == 2
    letters = await rows(database, "SELECT reason FROM lifecycle.dead_letter ORDER BY 1")
    assert [row["reason"] for row in letters] == ["conflicting_duplicate", "conflicting_duplicate"]


async def test_more_deadlines_than_fit_in_one_batch_all_fire_before_the_clock_moves(
    stack: Stack, database: str
) -> None:
    crowd = [order(f"crowd-{n}", 500) for n in range(60)]
    await run(stack, database, [*crowd, tick(501), tick(800)], timers_per_batch=7)
    found = await rows(
        database,
        "SELECT rule, count(*) AS n FROM lifecycle.transition"
        " WHERE customer LIKE 'crowd-%' GROUP BY 1 ORDER BY 1",
    )
    assert [tuple(row) for row in found] == [
        ("fell_silent", 60),
        ("first_purchase", 60),
        ("silence_begins", 60),
    ]
    ticks = await rows(
        database,
        "SELECT count(*) AS n FROM lifecycle.timer"
        " WHERE due_at <= (SELECT min(clock) FROM lifecycle.owner)",
    )
    assert ticks[0]["n"] == 0


async def test_what_comes_behind_the_clock_is_judged_as_of_the_clock_at_once(
    stack: Stack, database: str
) -> None:
    await run(stack, database, [tick(1500), order("late", 1300)])
    assert [
        (t.rule, t.historical) for t in await announced(stack, "late") if isinstance(t, Transition)
    ] == [
        ("first_purchase", True),
        ("silence_begins", True),
        ("fell_silent", True),
    ]


async def test_days_that_were_over_are_marked_and_counted_under_the_account_of_today(
    stack: Stack, database: str
) -> None:
    def counted() -> Any:
        return rows(
            database, "SELECT sum(n) FROM lifecycle.flow WHERE account = 'b2b' HAVING sum(n) > 0"
        )

    await run(stack, database, [order("eve", 2000), tick(2001), order("eve", 2001.5), tick(2002)])
    before = await restated(database)
    await run(
        stack, database, [order("eve", 1999), event("eve", "customer.updated", 2003, account="b2b")]
    )
    after = await restated(database)
    assert {d for d in after if after[d] != before.get(d)} == {
        day(1999).date().isoformat(),
        day(2000).date().isoformat(),
    }
    assert [row["sum"] for row in await counted()] == [2]


async def test_another_account_restates_the_past_from_the_first_day_that_counted(
    stack: Stack, blank: str
) -> None:
    before = event("gil", "consent.granted", 0, channel="email", purpose="marketing")
    complaint = event("gil", "complaint.opened", 10, complaint_id="c", topic="app")
    await run(stack, blank, [before, complaint, order("gil", 15), order("gil", 19.4), tick(20.4)])
    assert await restated(blank) == {}
    await run(stack, blank, [event("gil", "customer.updated", 20.45, account="b2b"), tick(22)])
    assert await restated(blank) == {day(10).date().isoformat(): 1}


async def test_a_sign_up_with_an_account_restates_nothing(stack: Stack, blank: str) -> None:
    """Nor does that of somebody known before, or with an order on the same day."""
    before = event("stranger", "consent.granted", 8, channel="email", purpose="marketing")
    await run(stack, blank, [before, tick(9), order("guest", 9.3), tick(9.31)])
    signed = [
        event(c, "customer.signed_up", 9.4, account="b2c") for c in ("new", "stranger", "guest")
    ]
    await run(stack, blank, [*signed, order("new", 9.41), tick(9.45)])
    accounts = await rows(blank, "SELECT account FROM lifecycle.customer")
    assert [row["account"] for row in accounts] == ["b2c"] * 3
    assert await restated(blank) == {}
