"""Complaint patterns with a real worker: published once, whoever judges and however often."""

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
from structlog.testing import capture_logs

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.figures.complaint_patterns import DETECTED, ComplaintPatternWatch
from shared.database import connection as db
from shared.events.envelope import Envelope
from shared.kafka.topics import HINTS
from tests.support.builders import event, order, tick
from tests.support.fresh_servers import eventually
from tests.support.lifecycle_worker import worker
from tests.support.pipeline import by_partition, publish, rows, settled
from tests.support.server_stack import Stack
from tests.support.simulation_shop import Raw, api

ROWS: Final = "SELECT topic, week::text FROM lifecycle.pattern ORDER BY 1, 2"


def complaint(customer: str, at: float, **data: Any) -> Raw:
    return event(customer, "complaint.opened", at, complaint_id="c", **data)


def usual(weeks: int) -> Iterator[Raw]:
    """One complaint a week about delivery, from Monday, 1 January 2024, on."""
    for week in range(weeks):
        yield complaint(f"usual-{week}", 7 * week, topic="delivery")


def wave(week: int, n: int, topic: str = "delivery") -> Iterator[Raw]:
    for number in range(n):
        yield complaint(f"{topic}-{week}-{number}", 7 * week + number / 2, topic=topic)


def failures(logs: Sequence[MutableMapping[str, Any]]) -> int:
    """How many rounds of the watch have failed."""
    events = [(line["event"], line.get("work")) for line in logs]
    return events.count(("background.failed", "complaint_patterns"))


async def found(stack: Stack) -> list[Envelope]:
    """The patterns on the topic; they have no subject, and lie on the first partition."""
    records = await by_partition(stack.bootstrap, HINTS)
    assert not [
        told for n, events in records.items() if n for told in events if told.type == DETECTED
    ]
    return [told for told in records[0] if told.type == DETECTED]


async def test_a_pattern_is_published_once_whoever_judges_and_however_often(
    stack: Stack, blank: str
) -> None:
    async def in_rows(*expected: tuple[str, str]) -> None:
        async def there() -> bool:
            return [tuple(row) for row in await rows(blank, ROWS)] == list(expected)

        await eventually(there, what=str(expected))

    async with worker(stack, blank, judged_by=Policy()), AsyncExitStack() as both:
        for _ in range(2):
            await both.enter_async_context(api(stack, blank))
        early = [*wave(0, 9), complaint("nobody", 8, topic=None), order("buyer", 3)]
        await publish(
            stack.bootstrap, [*usual(12), *early, *wave(9, 9), *wave(9, 9, "app"), *wave(11, 14)]
        )
        await publish(stack.bootstrap, [tick(69.9)])
        await settled(stack, blank, "lifecycle")
        await in_rows(("app", "2024-03-04"), ("delivery", "2024-03-04"))
        await publish(stack.bootstrap, [tick(83.9)])
        await in_rows(("app", "2024-03-04"), ("delivery", "2024-03-04"), ("delivery", "2024-03-18"))
    async with (
        worker(stack, blank, judged_by=Policy()),
        api(stack, blank),
        await db.create_pool(blank, "lifecycle") as pool,
    ):
        await publish(stack.bootstrap, wave(7, 12, "late"))
        await settled(stack, blank, "lifecycle")
        for _ in range(2):
            await ComplaintPatternWatch(pool).look()
        await settled(stack, blank, "lifecycle")
    told = await found(stack)
    assert sorted(
        (e.time.isoformat(), msgspec.json.decode(e.data)["topic"], e.historical) for e in told
    ) == [
        ("2024-02-26T00:00:00+00:00", "late", True),
        ("2024-03-11T00:00:00+00:00", "app", False),
        ("2024-03-11T00:00:00+00:00", "delivery", False),
        ("2024-03-25T00:00:00+00:00", "delivery", False),
    ]
    assert len({one.id for one in told}) == 4
    (app,) = (msgspec.json.decode(e.data) for e in told if b'"app"' in bytes(e.data))
    assert app["probability"] < 0.001
    assert {
        name: app[name]
        for name in ("week", "complaints", "expected", "weekly_mean", "weekly_spread")
    } == {"week": "2024-W10", "complaints": 9, "expected": 0, "weekly_mean": 0, "weekly_spread": 0}


async def test_a_look_that_the_database_refuses_is_told_and_the_next_one_is_taken(
    stack: Stack, blank: str
) -> None:
    async with worker(stack, blank):
        await publish(stack.bootstrap, [*usual(12), *wave(9, 9), tick(69.9)])
        await settled(stack, blank, "lifecycle")
        await rows(blank, "ALTER TABLE lifecycle.pattern RENAME TO mislaid")
        with capture_logs() as logs:
            async with api(stack, blank) as client:
                await eventually(lambda: failures(logs) > 1)
                assert (await client.get("/readyz")).is_success, "the process goes on"
                await rows(blank, "ALTER TABLE lifecycle.mislaid RENAME TO pattern")
                await eventually(lambda: rows(blank, ROWS))
