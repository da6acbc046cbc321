"""Batches of lifecycle in memory: the steps of its handler over an empty database."""

from typing import Any, Final, cast

from services.lifecycle.batch.arrivals import Arrivals
from services.lifecycle.batch.cache import CustomerCache
from services.lifecycle.batch.folds import Folds
from services.lifecycle.batch.recorder import Recorder
from services.lifecycle.batch.timers import Timers
from services.lifecycle.batch.visit import Visit
from services.lifecycle.batch.work import Work
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.events import read
from shared.clock import CLOCK_START
from shared.events.envelope import decode
from shared.ids import partition_of
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.batch import Batch, Incoming, Portion
from shared.stream.handler import Reader
from tests.support.builders import day, encode

PARTITIONS: Final = 4
SCHEDULE: Final = Schedule([Activation(1, CLOCK_START, Policy(act_within_days=1000))])


class EmptyDatabase:
    """A connection to a database without rows."""

    async def fetch(self, _query: str, *_arguments: object) -> list[Any]:
        return []

    async def fetchval(self, _query: str, *_arguments: object) -> None:
        return None


class MemoryShop:
    """The customers that a worker keeps in memory, for one batch after the other."""

    def __init__(self, schedule: Schedule = SCHEDULE) -> None:
        self.reader = cast(Reader, EmptyDatabase())
        self.cache = CustomerCache(self.reader, customers=1000, events=10_000)
        self.schedule = schedule

    def new_work(
        self, *events: dict[str, Any], clock: float = 0, tick: float | None = None
    ) -> Work:
        """Begin a batch: events in their order, at a clock, and a tick on every partition."""
        portions = {
            partition: Portion(partition, 1, day(clock), tick=None if tick is None else day(tick))
            for partition in range(PARTITIONS)
        }
        for offset, event in enumerate(events):
            arrived = incoming(event, offset)
            portions[arrived.partition].events.append(arrived)
        return Work(Batch(portions), self.schedule, Recorder(self.schedule))

    async def visits(self, work: Work) -> dict[str, Visit]:
        """The visits of a batch by customer."""
        visits = await Arrivals(self.reader, self.cache, work).visits()
        return {visit.entry.id: visit for visit in visits}

    async def fold(self, work: Work) -> list[str]:
        """Fold a batch and fire its timers; returns the customers that would be folded anew."""
        folds = self.folds(work)
        late = await folds.fold_on((await self.visits(work)).values())
        await Timers(self.reader, self.cache, folds, work, limit=100).fire()
        work.finish()
        return [visit.entry.id for visit in late]

    def folds(self, work: Work) -> Folds:
        return Folds(self.reader, self.cache, work)


def incoming(event: dict[str, Any], offset: int = 0) -> Incoming:
    """An event as the worker takes it in."""
    record = encode(event)
    envelope = decode(record)
    partition = partition_of(event["subject"], PARTITIONS)
    content = read(CUSTOMER_EVENTS, envelope)
    return Incoming(CUSTOMER_EVENTS, partition, offset, record, envelope, content)


def dead_letters(work: Work) -> list[tuple[str, str | None]]:
    """Reason and parked customer of everything that a batch rejects."""
    portions = work.batch.portions.values()
    return [(letter.reason, letter.customer) for portion in portions for letter in portion.dead]
