"""One batch of events: into rows, postings and announcements, in the caller's transaction."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from services.referral.announcements import Announcer
from services.referral.batch.merges import Regrouping, regroup
from services.referral.batch.work import Cause, Work, gather
from services.referral.claims.repository import add_order_events, add_touches
from services.referral.claims.verdicts import Judgement, judge_referees
from services.referral.codes.issuer import CodeIssuer
from services.referral.codes.repository import load_pending_advocates, save_pending_advocates
from services.referral.customers.repository import (
    Member,
    load_people,
    lock_members,
    lock_people,
    park_members,
    release_members,
)
from services.referral.domain.codes import read
from services.referral.domain.rewards import RewardKey
from services.referral.events import read as read_event
from services.referral.rewards.outcome import SettlementTime
from services.referral.rewards.repository import find_due, find_unsettled
from services.referral.rewards.settlement import RewardTasks, settle_rewards
from services.referral.settings import ReferralSettings
from shared import metrics
from shared.clock import CLOCK_START
from shared.database.connection import Tx, on_commit
from shared.identities import Identities
from shared.stream.batch import Batch
from shared.stream.handler import Reader
from shared.stream.log.parked_customers import delete_dead_letters, recall_events
from shared.stream.outgoing import outbox
from shared.stream.outgoing.outbox import Message


class Affected(NamedTuple):
    """The persons of a batch: who they are, their locked rows, who is parked, what has changed."""

    people: Identities
    members: Mapping[str, Member]
    parked: Collection[str]
    regrouping: Regrouping


class ReferralHandler:
    """The handler of the batch loop. It caches nothing, for the API changes the same customers."""

    def __init__(self, reader: Reader, settings: ReferralSettings) -> None:
        self._reader = reader
        self._terms = settings.terms
        self._limit = settings.timers_per_batch
        self._announcer = Announcer(settings.partitions)
        self._issuer = CodeIssuer(self._announcer, settings.code_secret_bytes)

    async def prepare(self, batch: Batch) -> Work:
        """Gather what the records say, and find the deadlines that ticks have passed."""
        work = gather(batch, self._terms)
        await self._add_due(work, batch)
        if work.completed:
            await batch.previous_committed()
            work.advocates |= await load_pending_advocates(self._reader, work.completed)
        portions = batch.portions.items()
        work.clocks = {partition: portion.clock_move().clock for partition, portion in portions}
        work.held_until = {partition: portion.due_after for partition, portion in portions}
        return work

    async def apply(self, work: Work, tx: Tx) -> None:
        """Write what the batch means; a customer is changed only under the lock of its row."""
        if work.released:
            await self._recall(tx, work)
        await save_pending_advocates(tx, work.completed, work.pending_advocates)
        if not work.customers:
            return
        affected = await _lock(tx, work)
        if work.refused:
            await park_members(tx, work.refused)
        due = [*work.due, *await _release(tx, work.released)]
        messages = await self._issue_codes(tx, work, affected.people)
        await add_order_events(tx, work.order_events)
        await self._record_touches(tx, work)
        judgement = await self._judge(tx, work, affected)
        messages += judgement.messages
        reviewed = work.reviews | affected.regrouping.changed
        messages += await settle_rewards(
            tx,
            RewardTasks(work.revisions | judgement.revisions, work.transfers, due, reviewed),
            affected.parked,
            self._announcer,
            lambda key: self._settlement_time(work, key),
        )
        messages += self._ask_for_reviews(work, affected)
        await outbox.add(tx, messages)
        on_commit(lambda: metrics.DEADLINES_FIRED.inc(len(work.due)))

    def customers(self, work: Work) -> Collection[str]:
        """Return all customers whom the batch may change."""
        return work.customers.union(work.pending_advocates, work.completed)

    async def pending_work(self) -> Collection[int]:
        """None."""
        return ()

    def forget(self) -> None:
        """Nothing to drop."""

    async def _recall(self, tx: Tx, work: Work) -> None:
        """Take in what has waited for customers to be released."""
        for customer in sorted(work.released):
            portion = work.portions[self._announcer.partition(customer)]
            for incoming in await recall_events(tx, portion, customer, read_event):
                work.take(incoming.event, incoming.content)
        work.advocates |= await load_pending_advocates(tx, work.completed)
        await delete_dead_letters(tx, work.released)

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

    async def _issue_codes(self, tx: Tx, work: Work, people: Identities) -> list[Message]:
        """Lock the codes that were named, and give new advocates theirs; returns what to announce.

        What cannot be anybody's code is not locked.
        """
        named = {touch.code for touch in work.touches.values() if read(touch.code)}
        if not named and not work.advocates:
            return []
        _, messages = await self._issuer.issue(tx, work.advocates, people, named)
        return messages

    async def _judge(self, tx: Tx, work: Work, affected: Affected) -> Judgement:
        """Judge everybody whose verdicts may change, except the parked and the merged."""
        people = affected.people
        referees = {id for id in _to_judge(work, affected) if not people.is_merged(id)}
        return await judge_referees(
            tx,
            referees.difference(affected.parked),
            people,
            self._announcer,
            lambda referee: self._clock(work, referee),
        )

    async def _record_touches(self, tx: Tx, work: Work) -> None:
        if work.touches:
            recorded_at = {referee: self._clock(work, referee) for referee in work.referees}
            await add_touches(tx, work.touches.values(), recorded_at)

    def _ask_for_reviews(self, work: Work, affected: Affected) -> list[Message]:
        """Ask the owners of the persons whom merged ids belong to, or have left, to judge them."""
        wanted: dict[str, tuple[Cause, datetime]] = {}
        for id in sorted(_to_judge(work, affected)):
            for other in sorted(affected.regrouping.others_to_review(id, affected.people)):
                wanted.setdefault(other, (work.causes[id], self._clock(work, id)))
        return [
            self._announcer.review_requested(customer, at, *cause)
            for customer, (cause, at) in wanted.items()
        ]

    def _clock(self, work: Work, customer: str) -> datetime:
        return work.clocks[self._announcer.partition(customer)]

    def _settlement_time(self, work: Work, key: RewardKey) -> SettlementTime:
        now = max(self._clock(work, key.customer), work.due.get(key, CLOCK_START))
        return SettlementTime(now, work.held_until[self._announcer.partition(key.customer)])


async def _lock(tx: Tx, work: Work) -> Affected:
    """Take the locks of a batch in their order: people, then members by id."""
    await lock_people(tx, to_change=bool(work.merges))
    regrouping = await regroup(tx, work.merges)
    people = await load_people(tx, work.customers)
    members = await lock_members(tx, people.all_members(work.customers))
    parked = {id for id, member in members.items() if member.parked or id in work.refused}
    merged = {id for id in parked & work.customers if people.is_merged(id)}
    work.released |= merged - work.refused.keys()
    return Affected(people, members, parked - work.released, regrouping)


async def _release(tx: Tx, customers: Collection[str]) -> list[RewardKey]:
    """Release customers; returns their rewards that have a deadline or waited for the release."""
    if not customers:
        return []
    await release_members(tx, customers)
    return await find_unsettled(tx, customers)


def _to_judge(work: Work, affected: Affected) -> set[str]:
    """The ids whose person's verdicts may change: by a code, an order, a merge, or on request."""
    people = affected.people
    buyers = {
        event.fact.origin
        for event in work.order_events
        if _have_claims(people.members(event.fact.origin), affected.members)
    }
    return work.referees | work.reviews | buyers | affected.regrouping.changed


def _have_claims(person: Iterable[str], members: Mapping[str, Member]) -> bool:
    return any(members[id].has_claims for id in person)
