"""Settles rewards: makes postings and announcements of new facts and passed deadlines."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from services.referral.announcements import Announcer
from services.referral.customers.repository import park_members
from services.referral.domain.ledger import Posting
from services.referral.domain.rewards import Reward, RewardKey, RewardRevision
from services.referral.rewards.outcome import SettlementTime, postpone, revise, settle
from services.referral.rewards.repository import (
    NewPosting,
    add_postings,
    load_postings,
    load_rewards,
    save_rewards,
)
from shared.database.connection import Tx
from shared.stream.log.parked_customers import record_failure
from shared.stream.outgoing.outbox import Message

TimeOf = Callable[[RewardKey], SettlementTime]
"""Until when a reward is settled: the clock of its customer's partition."""


@dataclass(slots=True)
class Settlement:
    """What settling rewards has to write and to announce; `parked` has the reasons by customer."""

    rewards: list[Reward] = field(default_factory=list)
    postings: list[NewPosting] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    parked: dict[str, str] = field(default_factory=dict)

    def take(
        self,
        before: Reward | None,
        after: Reward,
        posted: Sequence[Posting],
        announcer: Announcer,
        time: SettlementTime,
    ) -> None:
        """Settle one reward; park a customer whose reward cannot be settled.

        This is one of two places that may catch every error: a bug in a rule sets one customer
        aside, and not the batch.
        """
        try:
            outcome = settle(before, after, posted, announcer, time)
        except Exception as error:  # noqa: BLE001  (see above)
            reason = record_failure(error, claim=str(after.key.claim_id))
            self.parked[after.key.customer] = reason
            self.rewards.append(postpone(after))
            return
        self.rewards.append(outcome.reward)
        self.postings += outcome.postings
        self.messages += outcome.messages


async def settle_rewards(
    tx: Tx,
    revisions: Mapping[RewardKey, RewardRevision],
    due: Collection[RewardKey],
    parked: Collection[str],
    announcer: Announcer,
    time_of: TimeOf,
) -> list[Message]:
    """Bring the ledger to revisions and deadlines; returns messages. Parked customers wait."""
    due = set(due)
    keys = revisions.keys() | due
    if not keys:
        return []
    stored = await load_rewards(tx, keys)
    posted = await load_postings(tx, stored)
    settlement = Settlement()
    for key in sorted(keys, key=lambda key: (key.customer, key.claim_id)):
        time = time_of(key)
        before = stored.get(key)
        partition = announcer.partition(key.customer)
        after = revise(before, key, revisions.get(key), partition, time.now)
        if after is None or (after is before and key not in due):
            continue
        if key.customer in parked or key.customer in settlement.parked:
            settlement.rewards.append(postpone(after))
        else:
            settlement.take(before, after, posted.get(key, ()), announcer, time)
    await _save(tx, settlement)
    return settlement.messages


async def _save(tx: Tx, settlement: Settlement) -> None:
    await save_rewards(tx, settlement.rewards)
    if settlement.postings:
        await add_postings(tx, settlement.postings)
    if settlement.parked:
        await park_members(tx, settlement.parked)
