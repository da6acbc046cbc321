"""One batch of orders, transitions and due deadlines into cases, offers and announcements."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.reactivation.announcements import messages
from services.reactivation.cases import repository
from services.reactivation.cases.repository import PurchaseRow
from services.reactivation.domain.cases import History, Terms, fold_cases
from services.reactivation.domain.changes import Change, changes
from services.reactivation.events import RELEASED, Announcement, read
from shared.database.connection import Tx, transaction
from shared.stream.batch import NOT_HELD, Batch, Incoming, Portion
from shared.stream.log import parked as parking
from shared.stream.outgoing import outbox
from shared.stream.outgoing.outbox import Message
from shared.stream.session import Reader


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a customer's partition is: deadlines after `held` up to `until` may fire; the clock reads `recorded_at`."""

    partition: int
    until: datetime
    recorded_at: datetime
    held: datetime = NOT_HELD


@dataclass(slots=True)
class Visit:
    """One customer's records in a batch; none if only a deadline is due."""

    portion: Portion
    arrivals: list[Incoming] = field(default_factory=list)
    released: bool = False

    @property
    def moment(self) -> Moment:
        portion = self.portion
        return Moment(portion.partition, portion.until, portion.clock, portion.held)

    @property
    def purchases(self) -> list[PurchaseRow]:
        return [said for each in self.arrivals if isinstance(said := each.content, PurchaseRow)]

    @property
    def announcements(self) -> list[Announcement]:
        return [said for each in self.arrivals if isinstance(said := each.content, Announcement)]

    @property
    def has_lapses(self) -> bool:
        return any(said.lapses for said in self.announcements)

    def take(self, incoming: Incoming) -> None:
        if incoming.content is RELEASED:
            self.released = True
        else:
            self.arrivals.append(incoming)


Visits = dict[str, Visit]


class Unfoldable(Exception):
    """Folds have failed, of these customers, for these reasons: park them."""

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(f"{len(reasons)} customers cannot be folded")
        self.reasons = reasons


class ReactivationHandler:
    """The service's part of the batch loop. It keeps nothing in memory: the API changes the same customers."""

    def __init__(self, reader: Reader, terms: Terms, *, timers_per_batch: int) -> None:
        self._reader: Final = reader
        self._terms: Final = terms
        self._timers_per_batch: Final = timers_per_batch

    async def prepare(self, batch: Batch) -> Visits:
        """Gather what the records say; find whose deadlines are due, as many as one transaction takes."""
        visits: Visits = {}
        for portion, incoming in batch.events():
            visits.setdefault(incoming.event.subject, Visit(portion)).take(incoming)
        await batch.settled()
        await self._add_due(visits, batch)
        return visits

    async def apply(self, visits: Visits, tx: Tx) -> None:
        """Keep what was read, and fold the customers who have ever lapsed; what comes for parked ones is set aside.

        A round in which folds fail is undone; the next one goes without those customers.
        """
        new = {
            customer: visit.portion.partition
            for customer, visit in visits.items()
            if visit.has_lapses
        }
        locked = await repository.lock(tx, visits, new=new)
        parked = {customer: reason for customer, reason in locked.items() if reason is not None}
        released = await self._recall(tx, {customer: visits[customer] for customer in parked})
        waiting = {
            customer: reason for customer, reason in parked.items() if customer not in released
        }
        while failed := await self._fold(
            tx, {c: visits[c] for c in visits if c not in waiting}, locked
        ):
            waiting |= failed
        _set_aside(visits, waiting)
        await repository.park(tx, waiting | dict.fromkeys(released - waiting.keys()))
        await parking.forget(tx, released - waiting.keys())

    async def pending_work(self) -> Collection[int]:
        """None."""
        return ()

    def forget(self) -> None:
        """Nothing is remembered."""

    async def _add_due(self, visits: Visits, batch: Batch) -> None:
        ticking = {p: portion for p, portion in batch.portions.items() if portion.tick is not None}
        limit = max(1, self._timers_per_batch // max(1, len(ticking)))
        found = dict.fromkeys(ticking, 0)
        spans = [(p, portion.held, portion.until) for p, portion in ticking.items()]
        for customer, partition in await repository.due(self._reader, spans, limit):
            found[partition] += 1
            visits.setdefault(customer, Visit(ticking[partition]))
        for partition, count in found.items():
            ticking[partition].unfinished = count == limit

    async def _recall(self, tx: Tx, parked: Visits) -> set[str]:
        """Those of the parked customers who are released; what waited for them joins what has come for them."""
        released = {customer: visit for customer, visit in parked.items() if visit.released}
        for customer, visit in released.items():
            visit.arrivals += await parking.recall(tx, visit.portion, customer, read)
        return set(released)

    async def _fold(self, tx: Tx, visits: Visits, locked: Mapping[str, object]) -> dict[str, str]:
        """All or nothing; returns the customers whose folds have failed, with the reason."""
        said = [each for visit in visits.values() for each in visit.announcements]
        moments = {
            customer: visit.moment for customer, visit in visits.items() if customer in locked
        }
        try:
            async with transaction(tx):
                await repository.add_purchases(
                    tx, [row for visit in visits.values() for row in visit.purchases]
                )
                await repository.record_lapses(
                    tx,
                    [row for each in said for row in each.lapses],
                    [row for each in said for row in each.withdrawals],
                )
                await recompute(tx, moments, self._terms)
        except Unfoldable as failure:
            return failure.reasons
        return {}


async def recompute(tx: Tx, moments: Mapping[str, Moment], terms: Terms) -> None:
    """Fold locked customers anew from all that is kept of them, write what changed and announce it.

    Raises Unfoldable, before anything is written.
    """
    found: list[tuple[Moment, Change, list[Message]]] = []
    failed: dict[str, str] = {}
    for history in await repository.load(tx, moments.keys()):
        moment = moments[history.customer]
        try:
            found += _fold(history, terms, moment)
        except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
            failed[history.customer] = parking.failed(error, partition=moment.partition)
    if failed:
        raise Unfoldable(failed)
    found.sort(key=lambda each: each[1].case.is_running)
    await repository.save(tx, [(moment.partition, change) for moment, change, _ in found])
    await outbox.add(tx, [message for _, _, told in found for message in told])


def _fold(
    history: History, terms: Terms, moment: Moment
) -> list[tuple[Moment, Change, list[Message]]]:
    folded = fold_cases(history, terms, moment.until, held=moment.held)
    return [
        (moment, change, messages(change, moment.partition, moment.recorded_at))
        for change in changes(history, folded, moment.recorded_at)
    ]


def _set_aside(visits: Visits, waiting: Mapping[str, str]) -> None:
    for customer, reason in waiting.items():
        for incoming in visits[customer].arrivals:
            visits[customer].portion.reject(incoming, "parked", reason, parked=customer)
