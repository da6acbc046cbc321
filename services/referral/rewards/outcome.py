"""Settles one reward: what its facts and the clock make of its ledger, and what to announce."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.referral.announcements import Announcer
from services.referral.domain.ledger import Posting, plan_postings
from services.referral.domain.rewards import (
    Reward,
    RewardBalance,
    RewardFacts,
    RewardKey,
    RewardRevision,
    RewardState,
    Side,
    balance_of,
    is_mature,
    movements,
)
from services.referral.rewards.repository import NewPosting
from shared.stream.batch import BEFORE_EVERY_DEADLINE
from shared.stream.outgoing.outbox import Message

_MICROSECOND: Final = timedelta(microseconds=1)


class SettlementTime(NamedTuple):
    """Rewards are settled until `now`.

    Those that become available up to `held_until` wait for the end of a history import.
    """

    now: datetime
    held_until: datetime = BEFORE_EVERY_DEADLINE


@dataclass(frozen=True, slots=True)
class Outcome:
    """A settled reward, the postings to add, and the messages to send."""

    reward: Reward
    postings: list[NewPosting]
    messages: list[Message]


def revise(
    before: Reward | None,
    key: RewardKey,
    revision: RewardRevision | None,
    partition: int,
    now: datetime,
) -> Reward | None:
    """The reward with the facts of a revision; unchanged unless the revision is a later one."""
    if revision is None or (before and revision.revision <= before.revision):
        return before
    side = before.side if before else Side.REFEREE
    if revision.facts:
        recommends = revision.facts.recommender == key.customer
        side = Side.RECOMMENDER if recommends else Side.REFEREE
    if before:
        return replace(before, revision=revision.revision, facts=revision.facts, side=side)
    return Reward(
        key=key,
        side=side,
        partition=partition,
        revision=revision.revision,
        facts=revision.facts,
        state=RewardState.ANNULLED,
        as_of=now,
        due_at=None,
    )


def postpone(reward: Reward) -> Reward:
    """The reward of a parked customer: due at once when the customer is judged again."""
    return replace(reward, due_at=reward.as_of)


def settle(
    before: Reward | None,
    after: Reward,
    posted: Sequence[Posting],
    announcer: Announcer,
    time: SettlementTime,
) -> Outcome:
    """Settle a revised reward (`after`), of which `before` is stored and `posted` in the ledger."""
    now = max(after.as_of, time.now)
    facts = after.facts
    as_of = now if facts is None or _may_mature(before, facts, time) else _last_pending(facts)
    balance = balance_of(facts, after.side, as_of)
    wanted = movements(facts, after.side, as_of)
    currency = facts.currency if facts else ""
    new = plan_postings(after.key, posted, wanted, currency, now=now)
    return Outcome(
        replace(after, state=balance.state, as_of=as_of, due_at=_due_at(facts, balance, as_of)),
        [NewPosting(after.key, posting, now) for posting in new],
        list(_announcements(before, after, balance, announcer, now)),
    )


def _may_mature(before: Reward | None, facts: RewardFacts, time: SettlementTime) -> bool:
    """False while an import holds the deadline back, unless the ledger has reached it already."""
    deadline = facts.available_at
    if deadline > time.held_until:
        return True
    if before is None or before.facts is None:
        return False
    return before.facts.available_at == deadline <= before.as_of


def _last_pending(facts: RewardFacts) -> datetime:
    return facts.available_at - _MICROSECOND


def _due_at(facts: RewardFacts | None, balance: RewardBalance, as_of: datetime) -> datetime | None:
    """The deadline of a reward that is still pending."""
    if facts is None or balance.state is RewardState.REVERSED or is_mature(facts, as_of):
        return None
    return facts.available_at


def _announcements(
    before: Reward | None,
    after: Reward,
    balance: RewardBalance,
    announcer: Announcer,
    now: datetime,
) -> Iterator[Message]:
    """What has changed since the reward was last announced."""
    announced = before if before and before.state is not RewardState.ANNULLED else None
    old = announced.facts if announced else None
    new = after.facts
    if announced and _order(old) != _order(new):
        announced = None
        if old and after.side is Side.RECOMMENDER:
            yield announcer.referral_annulled(after.key.claim_id, old, now)
    if new and announced is None and after.side is Side.RECOMMENDER:
        yield announcer.referral_succeeded(after.key.claim_id, new)
    facts = new or old
    if facts:
        for state, at in _steps(_balance_of(announced), balance, facts, now):
            yield announcer.reward_moved(after, facts, balance, state, at)


def _balance_of(announced: Reward | None) -> RewardBalance:
    if announced is None:
        return RewardBalance(RewardState.ANNULLED)
    return balance_of(announced.facts, announced.side, announced.as_of)


def _steps(
    before: RewardBalance, after: RewardBalance, facts: RewardFacts, now: datetime
) -> Iterator[tuple[RewardState, datetime]]:
    """The states that the reward has passed through, each with its time."""
    if after.state is RewardState.ANNULLED:
        yield RewardState.REVERSED, now
        return
    if before.state is RewardState.ANNULLED:
        yield RewardState.PENDING, facts.earned_at
    if after.state is RewardState.AVAILABLE and before.state is not RewardState.AVAILABLE:
        yield RewardState.AVAILABLE, facts.available_at
    if after.reversed != before.reversed:
        yield RewardState.REVERSED, max(refund.time for refund in facts.refunds)


def _order(facts: RewardFacts | None) -> tuple[str, datetime] | None:
    return (facts.order_id, facts.earned_at) if facts else None
