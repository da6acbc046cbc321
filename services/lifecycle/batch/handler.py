"""Lifecycle's part of the batch loop: fold events and ticks, then write what has changed."""

from collections.abc import Collection
from typing import Final

from services.lifecycle.batch import daily_counts, repository
from services.lifecycle.batch.arrivals import Arrivals
from services.lifecycle.batch.cache import CustomerCache
from services.lifecycle.batch.folds import Folds
from services.lifecycle.batch.merges import MergeFlow
from services.lifecycle.batch.rearming.repository import save_positions
from services.lifecycle.batch.recorder import Recorder
from services.lifecycle.batch.schedule_watch import PolicyFile, ScheduleWatch
from services.lifecycle.batch.timers import Timers
from services.lifecycle.batch.visit import Visit
from services.lifecycle.batch.work import Work
from services.lifecycle.settings import LifecycleSettings
from shared import metrics
from shared.clock import ClockMode
from shared.database.connection import Tx, on_commit
from shared.stream.batch import Batch
from shared.stream.handler import Reader
from shared.stream.log.parked_customers import delete_dead_letters
from shared.stream.outgoing import outbox


class LifecycleHandler:
    """The handler of lifecycle's worker.

    It alone writes its partitions' customers, so it keeps them in memory.
    """

    def __init__(self, reader: Reader, settings: LifecycleSettings, file: PolicyFile) -> None:
        self._reader: Final = reader
        self._settings: Final = settings
        self._cache: Final = CustomerCache(
            reader, customers=settings.customers_in_memory, events=settings.events_in_memory
        )
        self._watch: Final = ScheduleWatch(
            reader, file, partitions=settings.partitions, limit=settings.timers_per_batch
        )

    def forget(self) -> None:
        """Drop everything in memory: ownership has changed, somebody else may have written."""
        self._cache.clear()
        self._watch.forget()

    async def pending_work(self) -> Collection[int]:
        """Return the partitions whose customers are still to be judged by an activation."""
        await self._watch.current_schedule()
        return self._watch.unfinished

    async def prepare(self, batch: Batch) -> Work:
        """Fold the events, judge some customers by a new schedule, and fire due deadlines."""
        await self._make_room(batch)
        work = await self._new_work(batch)
        folds = Folds(self._reader, self._cache, work)
        await self._fold_events(folds, work)
        await self._rearm(folds, work)
        await self._fire_timers(folds, work)
        work.finish()
        return work

    async def apply(self, work: Work, tx: Tx) -> None:
        """Write the rows and messages, with one statement per table."""
        recorder = work.recorder
        counts = recorder.counts
        await repository.add_events(tx, work.events)
        await repository.remove_events(tx, work.removed_events)
        await repository.renew_events(tx, work.renewed_events)
        await repository.save_order_versions(tx, work.refolded, work.order_versions.values())
        await repository.save_remarks(tx, work.refolded, work.remarks.rows)
        if work.circles:
            await repository.lock_merging(tx)
            before = {customer: circles.before for customer, circles in work.circles.items()}
            await repository.confirm_circles(tx, before)
        for partition, since in await daily_counts.move_accounts(tx, work.account_changes):
            counts.restate(since, work.batch.portions[partition])
        await repository.save_customers(tx, work.customers)
        if work.circles:
            after = {customer: circles.after for customer, circles in work.circles.items()}
            await repository.confirm_circles(tx, after)
        await repository.add_transitions(tx, recorder.transitions, recorder.withdrawn)
        hints = await repository.add_hints(tx, recorder.hints)
        counts.add_hints(hints)
        await counts.save(tx)
        await save_positions(tx, work.rearming)
        await repository.set_timers(tx, work.timers)
        await delete_dead_letters(tx, work.released)
        hint_messages = [row.message for row in hints]
        await outbox.add(tx, recorder.messages + hint_messages + work.forwarded + work.ticks)
        on_commit(lambda: _count(work))

    def customers(self, work: Work) -> Collection[str]:
        """Return the customers who have changed."""
        return work.touched

    async def _make_room(self, batch: Batch) -> None:
        if self._cache.is_full:
            await batch.previous_committed()
            self._cache.shrink()

    async def _new_work(self, batch: Batch) -> Work:
        schedule = await self._watch.current_schedule()
        return Work(batch, schedule, Recorder(schedule))

    async def _fold_events(self, folds: Folds, work: Work) -> None:
        """Fold new events onto the states; where that is not enough, fold whole lives anew."""
        merges = MergeFlow(
            self._reader, self._cache, folds, work, partitions=self._settings.partitions
        )
        visits = await Arrivals(self._reader, self._cache, work).visits()
        late = await folds.fold_on(visits)
        if late:
            await work.batch.previous_committed()
            await folds.fold_anew([visit for visit in late if not visit.is_moving])
            await merges.settle([visit for visit in late if visit.is_moving])

    async def _rearm(self, folds: Folds, work: Work) -> None:
        """Judge more customers, all of one partition, by what is new in the schedule."""
        portions = work.batch.portions
        partition = min(self._watch.unfinished & portions.keys(), default=None)
        if partition is None:
            return
        await work.batch.previous_committed()
        customers = await self._watch.next_customers(partition)
        await self._cache.load(dict.fromkeys(customers, partition), known=work.policies.known)
        visits = [Visit.of(portions[partition], self._cache[customer]) for customer in customers]
        await folds.apply_schedule(visits)
        work.rearming[partition] = self._watch.advance(partition, customers)

    async def _fire_timers(self, folds: Folds, work: Work) -> None:
        limit = self._settings.timers_per_batch
        timers = Timers(self._reader, self._cache, folds, work, limit=limit)
        await timers.fire()
        if self._settings.clock is ClockMode.LOG:
            work.ticks = timers.finished_ticks()


def _count(work: Work) -> None:
    """Raise the counters for a batch that is committed."""
    recorder = work.recorder
    for rule, count in recorder.count_by_rule.items():
        metrics.TRANSITIONS.labels(rule).inc(count)
    corrections = {(customer, by) for customer, _, by, _ in recorder.withdrawn}
    metrics.CORRECTIONS.inc(len(corrections))
    metrics.DEADLINES_FIRED.inc(recorder.deadlines_fired)
    metrics.PARKED.inc(work.newly_parked)
    for reason, count in work.remarks.count_by_reason.items():
        metrics.WITHOUT_EFFECT.labels(reason).inc(count)
