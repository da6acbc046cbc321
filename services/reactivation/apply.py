"""One batch of orders, transitions and due deadlines into cases, offers and announcements."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.reactivation import repository
from services.reactivation.announcements import messages
from services.reactivation.domain.cases import Terms, fold_cases
from services.reactivation.domain.changes import Change, changes
from services.reactivation.reading import Announcement
from services.reactivation.repository import LapseRow, PurchaseRow, Withdrawal
from shared import outbox
from shared.batch import Batch, Incoming, Portion
from shared.consumer import Reader
from shared.db import Tx


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a customer's partition is: deadlines up to `until` may fire, and the clock reads `recorded_at`."""

    partition: int
    until: datetime
    recorded_at: datetime


@dataclass(slots=True)
class Work:
    """What a batch says, and the customers it concerns."""

    moments: dict[str, Moment] = field(default_factory=dict)
    purchases: list[PurchaseRow] = field(default_factory=list)
    lapses: list[LapseRow] = field(default_factory=list)
    withdrawals: list[Withdrawal] = field(default_factory=list)


class CaseWork:
    """The service's part of the batch loop. It keeps nothing in memory: the API changes the same customers."""

    def __init__(self, reader: Reader, terms: Terms, *, timers_per_batch: int) -> None:
        self._reader: Final = reader
        self._terms: Final = terms
        self._timers_per_batch: Final = timers_per_batch

    async def prepare(self, batch: Batch) -> Work:
        """Gather what the records say; find whose deadlines are due, as many as one transaction takes."""
        work = Work()
        for portion, incoming in batch.events():
            _take(work, portion, incoming)
        await batch.settled()
        await self._add_due(work, batch)
        return work

    async def apply(self, work: Work, tx: Tx) -> None:
        """Keep what was read, then fold the customers who have ever lapsed; the others have no case."""
        await repository.add_purchases(tx, work.purchases)
        new = {row.customer: work.moments[row.customer].partition for row in work.lapses}
        locked = await repository.lock(tx, work.moments, new=new)
        await repository.record_lapses(tx, work.lapses, work.withdrawals)
        await recompute(tx, {customer: work.moments[customer] for customer in locked}, self._terms)

    def forget(self) -> None:
        """Nothing is remembered."""

    async def _add_due(self, work: Work, batch: Batch) -> None:
        ticking = {p: portion.tick for p, portion in batch.portions.items() if portion.tick is not None}
        limit = max(1, self._timers_per_batch // max(1, len(ticking)))
        found = dict.fromkeys(ticking, 0)
        for customer, partition in await repository.due(self._reader, ticking, limit):
            found[partition] += 1
            work.moments.setdefault(customer, _moment(batch.portions[partition]))
        for partition, count in found.items():
            batch.portions[partition].unfinished = count == limit


async def recompute(tx: Tx, moments: Mapping[str, Moment], terms: Terms) -> None:
    """Fold locked customers anew from all that is kept of them, write what changed and announce it."""
    found: list[tuple[Moment, Change]] = []
    for history in await repository.load(tx, moments.keys()):
        moment = moments[history.customer]
        folded = fold_cases(history, terms, moment.until)
        found += [(moment, change) for change in changes(history, folded, moment.recorded_at)]
    found.sort(key=lambda pair: pair[1].case.is_running)
    await repository.save(tx, [(moment.partition, change) for moment, change in found])
    await outbox.add(tx, [m for at, change in found for m in messages(change, at.partition, at.recorded_at)])


def _take(work: Work, portion: Portion, incoming: Incoming) -> None:
    said = incoming.content
    if isinstance(said, Announcement):
        work.lapses += said.lapses
        work.withdrawals += said.withdrawals
    else:
        work.purchases.append(said)
    work.moments.setdefault(incoming.event.subject, _moment(portion))


def _moment(portion: Portion) -> Moment:
    return Moment(portion.partition, portion.tick or portion.clock, portion.clock)
