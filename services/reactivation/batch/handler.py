"""One batch of orders, transitions and deadlines: into cases, offers and announcements."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from services.reactivation.batch.people import People
from services.reactivation.batch.work import CustomerWork, Work, contents_of, gather
from services.reactivation.cases.recomputation import FoldFailed, recompute
from services.reactivation.customers.repository import lock_customers, park_customers
from services.reactivation.domain.cases import Terms
from services.reactivation.domain.history import OrderEvent
from services.reactivation.domain.permissions import Permission
from services.reactivation.events import LapseUpdate, read
from services.reactivation.histories.repository import (
    add_order_events,
    add_permissions,
    record_lapses,
)
from services.reactivation.identities.repository import add_merges, load_merges
from services.reactivation.timers.repository import clear_timers, find_due
from shared.database.connection import Tx, transaction
from shared.identities import Merge
from shared.stream.batch import Batch
from shared.stream.handler import Reader
from shared.stream.log.parked_customers import (
    count_parked,
    delete_dead_letters,
    recall_events,
)
from shared.stream.outgoing import outbox


class ReactivationHandler:
    """The handler of the batch loop. It caches nothing, for the API changes the same customers."""

    def __init__(
        self, reader: Reader, terms: Terms, *, partitions: int, timers_per_batch: int
    ) -> None:
        self._reader: Final = reader
        self._terms: Final = terms
        self._partitions: Final = partitions
        self._timers_per_batch: Final = timers_per_batch

    async def prepare(self, batch: Batch) -> Work:
        """Gather what the records say, and as many due deadlines as one transaction takes."""
        work = gather(batch)
        await batch.previous_committed()
        await self._add_due(work, batch)
        for customer in batch.refused.keys() & work.keys():
            work[customer].refused = batch.refused[customer]
        return work

    async def apply(self, work: Work, tx: Tx) -> None:
        """Keep what was read, and fold the customers who have ever lapsed.

        The records of parked customers are put aside. A round in which folds fail is undone; the
        next one goes without those customers.
        """
        merges = contents_of(work, Merge)
        known = await load_merges(tx, _all_named(work, merges))
        ids = People(known, merges).ids_of(work)
        reasons = await lock_customers(tx, ids, new=_partitions_of_new(work))
        parked = {
            customer: reason for customer, reason in reasons.items() if reason and customer in work
        }
        released = await _recall(tx, {customer: work[customer] for customer in parked})
        waiting = {
            customer: reason for customer, reason in parked.items() if customer not in released
        }
        refused = {id: each.refused for id, each in work.items() if each.refused is not None}
        waiting |= refused
        count_parked(len(refused))
        locked = _Locked(ids, reasons.keys())
        while failed := await self._fold(tx, _without(work, waiting), locked):
            waiting |= failed
            count_parked(len(failed))
        _set_aside(work, waiting)
        folded = released - waiting.keys()
        await park_customers(tx, waiting | dict.fromkeys(folded))
        await delete_dead_letters(tx, folded)

    async def pending_work(self) -> Collection[int]:
        """None."""
        return ()

    def customers(self, work: Work) -> Collection[str]:
        """Return the customers with records or a deadline."""
        return work

    def forget(self) -> None:
        """Nothing to drop."""

    async def _add_due(self, work: Work, batch: Batch) -> None:
        """Add the customers whose deadlines the batch's ticks have passed, up to a limit."""
        ticking = batch.ticking()
        limit = max(1, self._timers_per_batch // max(1, len(ticking)))
        counts = dict.fromkeys(ticking, 0)
        spans = [portion.due_span for portion in ticking.values()]
        for customer, partition in await find_due(self._reader, spans, limit):
            counts[partition] += 1
            work.setdefault(customer, CustomerWork(ticking[partition]))
        for partition, count in counts.items():
            ticking[partition].unfinished = count == limit

    async def _fold(self, tx: Tx, work: Work, locked: "_Locked") -> dict[str, str]:
        """Keep and fold all of the work or nothing; returns why folds have failed, by customer."""
        merges = contents_of(work, Merge)
        try:
            async with transaction(tx):
                people = People(await load_merges(tx, _all_named(work, merges)), merges)
                await _keep(tx, work, merges)
                times = {
                    customer: each.time
                    for customer, each in work.items()
                    if customer in locked.rows and people.is_survivor(customer)
                }
                groups = {customer: people.group(customer, among=locked.ids) for customer in times}
                await recompute(tx, times, groups, self._terms)
                await clear_timers(tx, {id for id in work if not people.is_survivor(id)})
                await outbox.add(tx, people.messages(work, self._partitions))
        except FoldFailed as failure:
            return failure.reasons
        return {}


class _Locked(NamedTuple):
    """The ids that were to be locked, and those of them that have a row."""

    ids: Collection[str]
    rows: Collection[str]


async def _keep(tx: Tx, work: Work, merges: Sequence[Merge]) -> None:
    """Keep what the records say."""
    await add_order_events(tx, contents_of(work, OrderEvent))
    permissions = [
        (customer, each) for customer in work for each in work[customer].contents(Permission)
    ]
    await add_permissions(tx, permissions)
    await record_lapses(tx, contents_of(work, LapseUpdate))
    await add_merges(tx, merges)


def _all_named(work: Work, merges: Sequence[Merge]) -> set[str]:
    """The customers of the batch, and those whom some of them are merged into."""
    return {*work, *(merge.into for merge in merges if merge.into)}


def _partitions_of_new(work: Work) -> dict[str, int]:
    """The customers who get a row unless they have one, with their partitions."""
    return {customer: each.portion.partition for customer, each in work.items() if each.gets_row}


async def _recall(tx: Tx, parked: Work) -> set[str]:
    """The parked customers who are released; adds what has waited for them to their work."""
    released = {customer: each for customer, each in parked.items() if each.is_released}
    for customer, each in released.items():
        each.records += await recall_events(tx, each.portion, customer, read)
    return set(released)


def _without(work: Work, waiting: Mapping[str, str]) -> Work:
    return {customer: each for customer, each in work.items() if customer not in waiting}


def _set_aside(work: Work, waiting: Mapping[str, str]) -> None:
    """Put the records of parked customers into the dead letters."""
    for customer, reason in waiting.items():
        each = work[customer]
        for incoming in each.records:
            each.portion.reject(incoming, "parked", reason, parked=customer)
