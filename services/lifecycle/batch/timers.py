"""Fires the deadlines that are due when the clock of a partition ticks."""

from typing import Final

from services.lifecycle.batch import repository
from services.lifecycle.batch.cache import CustomerCache
from services.lifecycle.batch.folds import Folds
from services.lifecycle.batch.rows import DueRange
from services.lifecycle.batch.visit import Visit, is_due
from services.lifecycle.batch.work import Work
from services.lifecycle.domain.fold import Folded, pass_time
from services.lifecycle.events import SOURCE
from shared.events.envelope import CLOCK_TICKED, Envelope, encode
from shared.kafka.topics import PHASE_TRANSITIONS
from shared.stream.batch import Portion
from shared.stream.handler import Reader
from shared.stream.outgoing.outbox import Message


class Timers:
    """Fires at most `limit` deadlines in one batch; the next batch fires the rest."""

    def __init__(
        self, reader: Reader, cache: CustomerCache, folds: Folds, work: Work, *, limit: int
    ) -> None:
        self._reader: Final = reader
        self._cache: Final = cache
        self._folds: Final = folds
        self._work: Final = work
        self._limit: Final = limit
        self._ticking: Final = {
            partition: portion
            for partition, portion in work.batch.portions.items()
            if portion.tick is not None
        }

    async def fire(self) -> None:
        """Fire the deadlines due until the ticks."""
        if not self._ticking:
            return
        await self._work.batch.previous_committed()
        partitions = await self._due_in_database() | self._due_in_memory()
        await self._cache.load(partitions, known=self._work.policies.known)
        visits = [
            Visit.of(self._ticking[partition], self._cache[customer])
            for customer, partition in partitions.items()
        ]
        await self._folds.apply_schedule(visits)
        self._fire_due(visits)

    def finished_ticks(self) -> list[Message]:
        """Return the ticks whose deadlines have all been fired, to be sent on."""
        return [_tick(portion) for portion in self._ticking.values() if not portion.unfinished]

    async def _due_in_database(self) -> dict[str, int]:
        """Find customers that may have a deadline due, with their partition.

        Marks the portions as unfinished that have more than the limit allows.
        """
        ranges = [
            DueRange(p, portion.due_after, portion.due_until)
            for p, portion in self._ticking.items()
        ]
        due = await repository.due_customers(self._reader, ranges, self._limit + 1)
        if len(due) > self._limit:
            _, first_unfinished = due[self._limit]
            for partition, portion in self._ticking.items():
                portion.unfinished = partition >= first_unfinished
        return dict(due[: self._limit])

    def _due_in_memory(self) -> dict[str, int]:
        """Find customers that this batch has changed and that have a deadline due."""
        return {
            entry.id: entry.partition
            for entry in self._work.touched.values()
            if (portion := self._ticking.get(entry.partition)) is not None
            and is_due(entry.customer, portion, portion.due_until)
        }

    def _fire_due(self, visits: list[Visit]) -> None:
        due = [
            visit
            for visit in visits
            if not visit.entry.parked
            and is_due(visit.entry.customer, visit.portion, visit.portion.due_until)
        ]
        for visit, folded in self._work.fold_each(due, self._fold_until_tick):
            entry = visit.entry
            before = entry.customer
            entry.customer = folded.customer
            self._work.touched[entry.id] = entry
            self._work.recorder.record(
                entry, before, folded, visit.portion.due_until, visit.portion
            )
            self._work.recorder.deadlines_fired += len(folded.moves)
        for visit in visits:
            self._work.arm(visit.entry, exactly=True)

    def _fold_until_tick(self, visit: Visit) -> Folded:
        return pass_time(visit.entry.customer, visit.portion.due_until, self._work.policies)


def _tick(portion: Portion) -> Message:
    time = portion.due_until
    event = Envelope(id=f"tick-{time.isoformat()}", source=SOURCE, type=CLOCK_TICKED, time=time)
    return Message(portion.partition, PHASE_TRANSITIONS, None, encode(event))
