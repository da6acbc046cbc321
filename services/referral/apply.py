"""One batch of events: into rows, postings and announcements, in the caller's transaction."""

from datetime import datetime
from uuid import UUID

from services.referral import repository
from services.referral.domain.claims import Terms
from services.referral.issuing import issue
from services.referral.judging import rejudge
from services.referral.messages import Announcer
from services.referral.reading import Work, read
from services.referral.repository import Member
from services.referral.settings import ReferralSettings
from services.referral.settling import settle
from shared import outbox
from shared.batch import Batch
from shared.clock import DAWN
from shared.consumer import Reader
from shared.db import Tx


class Referral:
    """The handler of the batch loop. It keeps nothing in memory between batches."""

    def __init__(self, reader: Reader, settings: ReferralSettings) -> None:
        self._reader = reader
        self._terms: Terms = settings.terms
        self._limit = settings.timers_per_batch
        self._announcer = Announcer(settings.partitions)

    async def prepare(self, batch: Batch) -> Work:
        """Decode the batch, and find the deadlines that its ticks let fire."""
        work = read(batch, self._terms)
        await self._find_due(batch, work)
        work.clocks = {number: portion.clock_move().clock for number, portion in batch.portions.items()}
        return work

    async def _find_due(self, batch: Batch, work: Work) -> None:
        for portion in batch.portions.values():
            if portion.tick is None:
                continue
            await batch.settled()
            waits = portion.import_began if portion.import_open else None
            found = await repository.due(
                self._reader, portion.partition, portion.tick, after=waits, limit=self._limit + 1
            )
            portion.unfinished = len(found) > self._limit
            work.due |= dict.fromkeys(found[: self._limit], portion.tick)

    async def apply(self, work: Work, tx: Tx) -> None:
        """Write what the batch means; a customer is changed only under the lock of its row."""
        if not work.customers:
            return
        members = await repository.lock(tx, work.customers)
        if work.advocates or work.touches:
            await repository.lock_directory(tx, to_issue=bool(work.advocates))
        _, messages = await issue(tx, work.advocates, self._announcer)
        await repository.add_order_events(tx, work.order_events)
        new = await self._record_touches(tx, work)
        referees = self._to_judge(work, members)
        judged = await rejudge(tx, referees, new, self._announcer, lambda r: self._clock(work, r))
        settled = await settle(
            tx,
            work.determinations | judged.determinations,
            list(work.due),
            members,
            self._announcer,
            lambda book: max(self._clock(work, book.customer), work.due.get(book, DAWN)),
        )
        await outbox.add(tx, messages + judged.messages + settled)

    def _clock(self, work: Work, customer: str) -> datetime:
        return work.clocks[self._announcer.partition(customer)]

    async def _record_touches(self, tx: Tx, work: Work) -> set[UUID]:
        if not work.touches:
            return set()
        recorded_at = {referee: self._clock(work, referee) for referee, _ in work.touches.values()}
        return await repository.add_touches(tx, work.touches, recorded_at)

    def _to_judge(self, work: Work, members: dict[str, Member]) -> set[str]:
        touched = {referee for referee, _ in work.touches.values()} | work.referees
        ordered = {customer for customer, _ in work.order_events if members[customer].has_claims}
        return {customer for customer in touched | ordered if not members[customer].parked}

    def forget(self) -> None:
        """Nothing to drop."""
