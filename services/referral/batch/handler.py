"""One batch of events: into rows, postings and announcements, in the caller's transaction."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from services.referral.announcements import Announcer
from services.referral.batch.work import Work, gather
from services.referral.claims import repository
from services.referral.claims.repository import Member
from services.referral.claims.verdicts import rejudge
from services.referral.codes.issuer import issue
from services.referral.domain.ledger import Book
from services.referral.rewards import repository as books
from services.referral.rewards.settlement import Span, settle
from services.referral.settings import ReferralSettings
from shared import metrics
from shared.clock import DAWN
from shared.database.connection import Tx
from shared.stream.batch import Batch
from shared.stream.outgoing import outbox
from shared.stream.session import Reader


class ReferralHandler:
    """The handler of the batch loop. It keeps nothing in memory: the API changes the same customers."""

    def __init__(self, reader: Reader, settings: ReferralSettings) -> None:
        self._reader = reader
        self._terms = settings.terms
        self._limit = settings.timers_per_batch
        self._announcer = Announcer(settings.partitions)

    async def prepare(self, batch: Batch) -> Work:
        """Gather what the records say, and find the deadlines that ticks let fire."""
        work = gather(batch, self._terms)
        ticking = {
            number: portion
            for number, portion in batch.portions.items()
            if portion.tick is not None
        }
        if ticking:
            await batch.settled()
            ticks = [
                (portion.partition, portion.held, portion.until) for portion in ticking.values()
            ]
            found = await books.due(self._reader, ticks, limit=self._limit + 1)
            for number, due in found.items():
                ticking[number].unfinished = len(due) > self._limit
                work.due |= dict.fromkeys(due[: self._limit], ticking[number].until)
            metrics.DEADLINES_FIRED.inc(len(work.due))
        work.clocks = {
            number: portion.clock_move().clock for number, portion in batch.portions.items()
        }
        work.held = {number: portion.held for number, portion in batch.portions.items()}
        return work

    async def apply(self, work: Work, tx: Tx) -> None:
        """Write what the batch means; a customer is changed only under the lock of its row."""
        if not work.customers:
            return
        members = await repository.lock(tx, work.customers)
        due = list(work.due)
        if work.released:
            await repository.release(tx, work.released)
            due += await books.unsettled(tx, work.released)
        if work.advocates or work.touches:
            await repository.lock_directory(tx, to_issue=bool(work.advocates))
        _, messages = await issue(tx, work.advocates, self._announcer)
        await repository.add_order_events(tx, work.order_events)
        new = await self._record_touches(tx, work)
        parked = {customer for customer, member in members.items() if member.parked} - work.released
        referees = _to_judge(work, members) - parked
        judged = await rejudge(
            tx, referees, new, self._announcer, lambda referee: self._clock(work, referee)
        )
        found = work.determinations | judged.determinations
        settled = await settle(
            tx, found, due, parked, self._announcer, lambda book: self._span(work, book)
        )
        await outbox.add(tx, messages + judged.messages + settled)

    async def _record_touches(self, tx: Tx, work: Work) -> set[UUID]:
        if not work.touches:
            return set()
        recorded_at = {referee: self._clock(work, referee) for referee, _ in work.touches.values()}
        return await repository.add_touches(tx, work.touches, recorded_at)

    def _clock(self, work: Work, customer: str) -> datetime:
        return work.clocks[self._announcer.partition(customer)]

    def _span(self, work: Work, book: Book) -> Span:
        until = max(self._clock(work, book.customer), work.due.get(book, DAWN))
        return Span(until, work.held[self._announcer.partition(book.customer)])

    async def pending_work(self) -> Collection[int]:
        """None."""
        return ()

    def forget(self) -> None:
        """Nothing to drop."""


def _to_judge(work: Work, members: Mapping[str, Member]) -> set[str]:
    touched = {referee for referee, _ in work.touches.values()} | work.recalled
    return touched | {customer for customer, _ in work.order_events if members[customer].has_claims}
