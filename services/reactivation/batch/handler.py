"""One batch of orders, transitions and deadlines: into cases, offers and announcements."""

from collections.abc import Collection, Mapping
from typing import Final

from services.reactivation.batch.work import CustomerWork, Work, gather
from services.reactivation.cases.recomputation import FoldFailed, recompute
from services.reactivation.cases.repository import add_purchases, record_lapses
from services.reactivation.customers.repository import lock_customers, park_customers
from services.reactivation.domain.cases import Terms
from services.reactivation.events import read
from services.reactivation.timers.repository import find_due
from shared.database.connection import Tx, transaction
from shared.stream.batch import Batch
from shared.stream.handler import Reader
from shared.stream.log.parked_customers import (
    count_parked,
    delete_dead_letters,
    recall_events,
)


class ReactivationHandler:
    """The handler of the batch loop. It caches nothing, for the API changes the same customers."""

    def __init__(self, reader: Reader, terms: Terms, *, timers_per_batch: int) -> None:
        self._reader: Final = reader
        self._terms: Final = terms
        self._timers_per_batch: Final = timers_per_batch

    async def prepare(self, batch: Batch) -> Work:
        """Gather what the records say, and as many due deadlines as one transaction takes."""
        work = gather(batch)
        await batch.previous_committed()
        await self._add_due(work, batch)
        return work

    async def apply(self, work: Work, tx: Tx) -> None:
        """Keep what was read, and fold the customers who have ever lapsed.

        The records of parked customers are put aside. A round in which folds fail is undone; the
        next one goes without those customers.
        """
        reasons = await lock_customers(tx, work, new=_partitions_of_lapsed(work))
        parked = {customer: reason for customer, reason in reasons.items() if reason is not None}
        released = await _recall(tx, {customer: work[customer] for customer in parked})
        waiting = {
            customer: reason for customer, reason in parked.items() if customer not in released
        }
        while failed := await self._fold(tx, _without(work, waiting), reasons.keys()):
            waiting |= failed
            count_parked(len(failed))
        _set_aside(work, waiting)
        folded = released - waiting.keys()
        await park_customers(tx, waiting | dict.fromkeys(folded))
        await delete_dead_letters(tx, folded)

    async def pending_work(self) -> Collection[int]:
        """None."""
        return ()

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

    async def _fold(self, tx: Tx, work: Work, locked: Collection[str]) -> dict[str, str]:
        """Keep and fold all of the work or nothing; returns why folds have failed, by customer."""
        updates = [update for each in work.values() for update in each.lapse_updates]
        times = {customer: each.time for customer, each in work.items() if customer in locked}
        try:
            async with transaction(tx):
                await add_purchases(
                    tx, [purchase for each in work.values() for purchase in each.purchases]
                )
                await record_lapses(
                    tx,
                    [lapse for update in updates for lapse in update.lapses],
                    [withdrawal for update in updates for withdrawal in update.withdrawals],
                )
                await recompute(tx, times, self._terms)
        except FoldFailed as failure:
            return failure.reasons
        return {}


def _partitions_of_lapsed(work: Work) -> dict[str, int]:
    return {customer: each.portion.partition for customer, each in work.items() if each.has_lapses}


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
