"""A new edition of the rules reaches every customer, and what comes of it is history."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

import pytest

from services.lifecycle.domain import edition, moves
from services.lifecycle.domain.rules.table import RULES_FOR
from services.lifecycle.domain.state.happenings import EventKind
from services.lifecycle.domain.state.phases import RuleName
from shared.errors import Retryable
from shared.ids import partition_of
from shared.stream.log import ownership
from tests.support import reactivation_worker
from tests.support.builders import day, event, order, tick
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.lifecycle_worker import history, on, worker
from tests.support.pipeline import publish, rows, settled
from tests.support.server_stack import Stack

CUSTOMERS: Final = [f"c{n}" for n in range(20)]
FEW: Final = 1
"""Customers in a batch."""
FOLDED_ANEW: Final = [
    ("first_purchase", day(0), False, False),
    ("relationship_ended", day(10), False, True),
]


@contextmanager
def older_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Judge by rules under which an account that is closed ends nothing."""
    rules = {
        (phase, kind): tuple(
            rule
            for rule in found
            if kind is not EventKind.CLOSED or rule.name is not RuleName.RELATIONSHIP_ENDED
        )
        for (phase, kind), found in RULES_FOR.items()
    }
    with monkeypatch.context() as patch:
        patch.setattr(moves, "RULES_FOR", MappingProxyType(rules))
        yield


@pytest.fixture
async def shop(stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everybody bought on day 0 and closed the account on day 10; then the rules change."""
    events = [(order(c, 0), event(c, "customer.closed", 10)) for c in CUSTOMERS]
    await publish(stack.bootstrap, [each for pair in events for each in pair])
    await publish(stack.bootstrap, [tick(20)])
    with older_rules(monkeypatch):
        async with worker(stack, blank):
            await settled(stack, blank, "lifecycle")
    assert await history(blank, CUSTOMERS[0]) == [("first_purchase", day(0), False, False)]
    monkeypatch.setattr(edition, "EDITION", edition.EDITION + 1)
    return blank


async def progress(database: str) -> dict[str, Any]:
    (found,) = await rows(
        database,
        "SELECT sum(done)::int AS done, sum(total)::int AS total, bool_and(finished)"
        " AND count(*) = $1 AS finished, min(edition) AS edition FROM lifecycle.rearming",
        PARTITIONS,
    )
    return dict(found)


async def all_refolded(database: str) -> bool:
    found = await progress(database)
    return bool(found["finished"] and found["edition"] == edition.EDITION)


async def editions(database: str) -> set[int]:
    found = await rows(
        database, "SELECT DISTINCT (state::jsonb ->> 'edition')::int AS n FROM lifecycle.customer"
    )
    return {row["n"] for row in found}


async def test_everybody_is_folded_anew_and_what_changes_is_historical(
    stack: Stack, shop: str
) -> None:
    assert await editions(shop) == {edition.EDITION - 1}
    async with worker(stack, shop, timers_per_batch=FEW):
        await eventually(lambda: all_refolded(shop), what="all are folded anew")
        await settled(stack, shop, "lifecycle")
    assert await editions(shop) == {edition.EDITION}
    for customer in CUSTOMERS:
        assert await history(shop, customer) == FOLDED_ANEW
    assert await progress(shop) == {
        "done": len(CUSTOMERS),
        "total": len(CUSTOMERS),
        "finished": True,
        "edition": edition.EDITION,
    }


async def test_nobody_gets_an_offer_because_a_rule_has_changed(stack: Stack, shop: str) -> None:
    async with worker(stack, shop):
        await eventually(lambda: all_refolded(shop), what="all are folded anew")
        leaver = [order("leaver", 0), event("leaver", "customer.closed", 21), tick(22)]
        await publish(stack.bootstrap, leaver)
        await settled(stack, shop, "lifecycle")
    await reactivation_worker.run(stack, shop)
    found = await rows(shop, "SELECT customer FROM reactivation.winback_case")
    assert [row["customer"] for row in found] == ["leaver"]


@pytest.mark.parametrize("late", [(), (5,)], ids=["what comes next", "what is late"])
async def test_who_is_touched_before_the_turn_comes_is_folded_anew_then(
    stack: Stack, shop: str, late: Sequence[float]
) -> None:
    last = max(CUSTOMERS, key=lambda c: (partition_of(c, PARTITIONS), c))
    events = [order(last, at, id=f"on day {at}") for at in (19, *late)]
    await publish(stack.bootstrap, events)
    async with worker(stack, shop, timers_per_batch=FEW):
        await settled(stack, shop, "lifecycle")
        await eventually(lambda: all_refolded(shop), what="all are folded anew")
        await settled(stack, shop, "lifecycle")
    assert await history(shop, last) == [*FOLDED_ANEW, ("returned", day(19), False, False)]


async def test_a_deadline_that_comes_before_the_turn_is_judged_by_the_new_rules(
    stack: Stack, shop: str
) -> None:
    await publish(stack.bootstrap, [tick(95)])
    async with worker(stack, shop, timers_per_batch=FEW):
        await settled(stack, shop, "lifecycle")
    for customer in CUSTOMERS:
        assert await history(shop, customer) == FOLDED_ANEW, "not silent: former"


async def test_it_goes_on_where_it_stood_when_a_worker_ends_or_a_commit_fails(
    stack: Stack, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = ownership.advance
    commits: list[str] = []

    async def advance_or_fail(tx: Any, moved: Any, clocks: Any) -> None:
        await advance(tx, moved, clocks)
        commits.append("")
        if len(commits) % 4 == 3:
            raise Retryable("the commit has failed")

    async def begun() -> bool:
        return len(commits) > 8

    monkeypatch.setattr(ownership, "advance", advance_or_fail)
    async with worker(stack, shop, timers_per_batch=FEW):
        await eventually(begun, what="some are folded anew", every_s=0.005)
    monkeypatch.setattr(ownership, "advance", advance)
    assert not await all_refolded(shop)
    async with worker(stack, shop, timers_per_batch=FEW):
        await eventually(lambda: all_refolded(shop), what="all are folded anew")
        await settled(stack, shop, "lifecycle")
    for customer in CUSTOMERS:
        assert await history(shop, customer) == FOLDED_ANEW, "once each"


async def test_who_is_parked_or_gone_stays_as_it_is(stack: Stack, shop: str) -> None:
    other = on(partition_of(CUSTOMERS[0], PARTITIONS), "other")
    async with worker(stack, shop):
        await publish(stack.bootstrap, [event(other, "customer.merged", 12, into=CUSTOMERS[0])])
        await settled(stack, shop, "lifecycle")
        await eventually(lambda: all_refolded(shop), what="all are folded anew")
    assert await history(shop, other) == []
    assert await history(shop, CUSTOMERS[0]) == FOLDED_ANEW
