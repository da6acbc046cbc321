"""One batch of events: into rows, postings and announcements, in the caller's transaction."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from services.referral.announcements import Announcer
from services.referral.batch.work import Work, gather
from services.referral.claims.repository import add_order_events, add_touches
from services.referral.claims.verdicts import Judgement, judge_referees
from services.referral.codes.issuer import issue_codes
from services.referral.codes.repository import lock_codes
from services.referral.customers.repository import Member, lock_members, release_members
from services.referral.domain.rewards import RewardKey
from services.referral.rewards.outcome import SettlementTime
from services.referral.rewards.repository import find_due, find_unsettled
from services.referral.rewards.settlement import settle_rewards
from services.referral.settings import ReferralSettings
from shared import metrics
from shared.clock import CLOCK_START
from shared.database.connection import Tx, on_commit
from shared.stream.batch import Batch
from shared.stream.handler import Reader
from shared.stream.outgoing import outbox
from shared.stream.outgoing.outbox import Message


class ReferralHandler:
    """The handler of the batch loop. It caches nothing, for the API changes the same customers."""

    def __init__(self, reader: Reader, settings: ReferralSettings) -> None:
        self._reader = reader
        self._terms = settings.terms
        self._limit = settings.timers_per_batch
        self._announcer = Announcer(settings.partitions)

    async def prepare(self, batch: Batch) -> Work:
        """Gather what the records say, and find the deadlines that ticks have passed."""
        work = gather(batch, self._terms)
        await self._add_due(work, batch)
        portions = batch.portions.items()
        work.clocks = {partition: portion.clock_move().clock for partition, portion in portions}
        work.held_until = {partition: portion.due_after for partition, portion in portions}
        return work

    async def apply(self, work: Work, tx: Tx) -> None:
        """Write what the batch means; a customer is changed only under the lock of its row."""
        if not work.customers:
            return
        members = await lock_members(tx, work.customers)
        parked = {customer for customer, member in members.items() if member.parked}
        parked -= work.released
        due = [*work.due, *await _release(tx, work.released)]
        messages = await self._issue_codes(tx, work)
        await add_order_events(tx, work.order_events)
        judgement = await self._judge(tx, work, members, parked)
        messages += judgement.messages
        messages += await settle_rewards(
            tx,
            work.revisions | judgement.revisions,
            due,
            parked,
            self._announcer,
            lambda key: self._settlement_time(work, key),
        )
        await outbox.add(tx, messages)
        on_commit(lambda: metrics.DEADLINES_FIRED.inc(len(work.due)))

    async def pending_work(self) -> Collection[int]:
        """None."""
        return ()

    def forget(self) -> None:
        """Nothing to drop."""

    async def _add_due(self, work: Work, batch: Batch) -> None:
        """Add the rewards whose deadlines the batch's ticks have passed, up to a limit for each."""
        ticking = batch.ticking()
        if not ticking:
            return
        await batch.previous_committed()
        spans = [portion.due_span for portion in ticking.values()]
        due = await find_due(self._reader, spans, limit=self._limit + 1)
        for partition, keys in due.items():
            portion = ticking[partition]
            portion.unfinished = len(keys) > self._limit
            work.due |= dict.fromkeys(keys[: self._limit], portion.due_until)

    async def _issue_codes(self, tx: Tx, work: Work) -> list[Message]:
        """Give new advocates their codes; returns what to announce."""
        if work.advocates or work.touches:
            await lock_codes(tx, to_issue=bool(work.advocates))
        _, messages = await issue_codes(tx, work.advocates, self._announcer)
        return messages

    async def _judge(
        self, tx: Tx, work: Work, members: Mapping[str, Member], parked: Collection[str]
    ) -> Judgement:
        """Record new claims, and judge everybody whose verdicts may change but for the parked."""
        new = await self._record_touches(tx, work)
        referees = _to_judge(work, members).difference(parked)
        return await judge_referees(
            tx, referees, new, self._announcer, lambda referee: self._clock(work, referee)
        )

    async def _record_touches(self, tx: Tx, work: Work) -> set[UUID]:
        if not work.touches:
            return set()
        recorded_at = {referee: self._clock(work, referee) for referee in work.referees}
        return await add_touches(tx, work.touches, recorded_at)

    def _clock(self, work: Work, customer: str) -> datetime:
        return work.clocks[self._announcer.partition(customer)]

    def _settlement_time(self, work: Work, key: RewardKey) -> SettlementTime:
        now = max(self._clock(work, key.customer), work.due.get(key, CLOCK_START))
        return SettlementTime(now, work.held_until[self._announcer.partition(key.customer)])


async def _release(tx: Tx, customers: Collection[str]) -> list[RewardKey]:
    """Release customers; returns their rewards that have a deadline or waited for the release."""
    if not customers:
        return []
    await release_members(tx, customers)
    return await find_unsettled(tx, customers)


def _to_judge(work: Work, members: Mapping[str, Member]) -> set[str]:
    """The referees whose verdicts may change: all who named a code, or whose orders may decide."""
    buyers = {customer for customer, _ in work.order_events if members[customer].has_claims}
    return work.referees | work.reviews | buyers
