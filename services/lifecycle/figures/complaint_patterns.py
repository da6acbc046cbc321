"""Judges the complaints of each week that all clocks have passed; publishes what stands out."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import structlog

from services.lifecycle import clocks
from services.lifecycle.events import SOURCE
from services.lifecycle.figures import repository
from services.lifecycle.figures.definitions import complaint_topics
from services.lifecycle.figures.definitions.complaint_topics import WEEK
from services.lifecycle.figures.period import midnight
from services.lifecycle.figures.sources.baseline import Judgement, judge
from services.lifecycle.schedule import load_schedule
from shared.background import Periodic
from shared.clock import CLOCK_START, now
from shared.database.connection import Pool, Tx, retryable_errors, transaction
from shared.events.envelope import Envelope, encode, pack
from shared.ids import stable_text
from shared.kafka.topics import HINTS
from shared.stream.outgoing import outbox
from shared.stream.outgoing.outbox import Message

log = structlog.get_logger()

DETECTED: Final = "complaint.pattern_detected"
_PARTITION: Final = 0
_INTERVAL_S: Final = 1.0


class ComplaintPattern(NamedTuple):
    """More complaints about a topic than usual, in the week that starts with this Monday."""

    topic: str
    week: date
    complaints: int
    judgement: Judgement

    @property
    def ends(self) -> datetime:
        """When the week is over."""
        return midnight(self.week + WEEK)

    def message(self, *, historical: bool) -> Message:
        """The record that announces it."""
        judgement = self.judgement
        data = {
            "topic": self.topic,
            "week": f"{self.week:%G-W%V}",
            "complaints": self.complaints,
            "expected": judgement.expected,
            "weekly_mean": judgement.mean,
            "weekly_spread": judgement.spread,
            "probability": judgement.probability,
        }
        event = Envelope(
            id=stable_text(DETECTED, self.topic, self.week.isoformat()),
            source=SOURCE,
            type=DETECTED,
            time=self.ends,
            data=pack(data),
            historical=historical,
        )
        return Message(_PARTITION, HINTS, None, encode(event))


class ComplaintPatternWatch:
    """Looks for patterns whenever the least clock has come to another week."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._judged_until: date | None = None
        self._rounds: Final = Periodic("complaint_patterns", self.look, pause=_INTERVAL_S)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Look every second while the block runs."""
        return self._rounds.running()

    async def look(self) -> None:
        """Judge all weeks that are over, if another has ended since; publish what is new.

        Earlier weeks are judged again, for late events may have added complaints. Old stored
        figures are deleted in passing. Raises Retryable if the database does not answer.
        """
        with retryable_errors():
            clock = await clocks.least_clock(self._pool)
            week = monday(clock.date())
            if clock == CLOCK_START or week == self._judged_until:
                return
            async with self._pool.acquire() as connection, transaction(connection) as tx:
                new = await publish(tx, await find_patterns(tx, week), clock)
                await repository.delete_before(tx, now() - repository.KEPT_FOR)
        self._judged_until = week
        for pattern in new:
            log.info(
                "pattern.detected",
                topic=pattern.topic,
                week=str(pattern.week),
                complaints=pattern.complaints,
            )


def monday(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


async def find_patterns(tx: Tx, until: date) -> list[ComplaintPattern]:
    """The patterns of all weeks before that Monday."""
    first = await complaint_topics.first_opened_at(tx)
    if first is None:
        return []
    begin = monday(first.date())
    by_topic = await complaint_topics.count_opened(tx, begin, until, None)
    return [
        pattern
        for topic, weeks in by_topic.items()
        if topic is not None
        for pattern in _patterns_of(topic, weeks, begin, first)
    ]


async def publish(
    tx: Tx, candidates: list[ComplaintPattern], clock: datetime
) -> list[ComplaintPattern]:
    """Announce the patterns that no process has announced yet; returns these.

    A pattern whose week ended long before the clock is marked `historical`: nobody acts on it.
    """
    keys = [(pattern.topic, pattern.week) for pattern in candidates]
    added = await repository.add_patterns(tx, keys)
    new = [pattern for pattern in candidates if (pattern.topic, pattern.week) in added]
    act_within = (await load_schedule(tx)).at(clock).act_within if new else timedelta(0)
    await outbox.add(
        tx, [pattern.message(historical=clock - pattern.ends > act_within) for pattern in new]
    )
    return new


def _patterns_of(
    topic: str, weeks: Counter[int], begin: date, first: datetime
) -> Iterator[ComplaintPattern]:
    for number, complaints in sorted(weeks.items()):
        week = begin + number * WEEK
        known = complaint_topics.baseline_weeks(first, week)
        judgement = judge(complaints, WEEK.days, [weeks[n] for n in range(number - known, number)])
        if judgement and judgement.above:
            yield ComplaintPattern(topic, week, complaints, judgement)
