"""Settles one reward: what its facts and the clock make of its ledger, and what to announce."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.referral.announcements import Announcer
from services.referral.domain.ledger import Posting, plan_departures, plan_postings
from services.referral.domain.rewards import (
    Reward,
    RewardBalance,
    RewardFacts,
    RewardKey,
    RewardRevision,
    RewardState,
    balance_of,
    is_mature,
    movements,
)
from services.referral.rewards.recommendation import last_told, take_back, tell
from services.referral.rewards.repository import NewPosting
from shared.identities import Identities
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


def latest(
    key: RewardKey, rewards: Sequence[Reward], people: Identities, partition: int
) -> Reward | None:
    """The reward as last settled for any customer who has had it, as one of this customer."""
    if not rewards:
        return None
    last = max(rewards, key=lambda r: (r.revision, r.as_of, not r.moved, r.key == key))
    told = last_told(key.customer, last, rewards, people)
    return replace(last, key=key, partition=partition, moved=False, told=told)


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
    if before:
        return replace(
            before, revision=revision.revision, facts=revision.facts, since=revision.since
        )
    return Reward(
        key=key,
        earner=revision.earner,
        partition=partition,
        revision=revision.revision,
        facts=revision.facts,
        state=RewardState.ANNULLED,
        as_of=now,
        due_at=None,
        since=revision.since,
    )


def postpone(reward: Reward) -> Reward:
    """The reward of a parked customer: due at once when the customer is judged again."""
    return replace(reward, due_at=reward.as_of)


def pass_on(
    reward: Reward,
    posted: Sequence[Posting],
    people: Identities,
    announcer: Announcer,
    now: datetime,
) -> Outcome:
    """Send what a customer has of a reward to whom it is owed now, through clearing.

    After an unmerge, a success that was announced to this customer is taken back: the one to whom
    the reward goes announces it anew. After a merge the announcement follows by itself.
    """
    key = reward.key
    to = people.survivor(reward.earner)
    departures = plan_departures(key, posted, now)
    leaving: list[Posting | None] = [*departures] or [None]
    messages = [announcer.reward_transferred(key, to, each, now) for each in leaving]
    taken_back, told = take_back(reward, to, people, announcer)
    postings = [NewPosting(key, posting, now) for posting in departures]
    moved = replace(reward, moved=True, due_at=None, told=told)
    return Outcome(moved, postings, messages + taken_back)


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
    side = after.key.side
    as_of = now if facts is None or _may_mature(before, facts, time) else _last_pending(facts)
    balance = balance_of(facts, side, as_of)
    wanted = movements(facts, side, as_of)
    currency = facts.currency if facts else ""
    new = plan_postings(after.key, posted, wanted, currency, now=now)
    settled = replace(
        after,
        state=balance.state,
        as_of=as_of,
        due_at=_due_at(facts, balance, as_of),
        announced=facts,
    )
    outcomes, told = tell(before.told if before else None, after, announcer)
    return Outcome(
        replace(settled, told=told),
        [NewPosting(after.key, posting, now) for posting in new],
        [*outcomes, *_reward_steps(before, after, balance, announcer, now)],
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


def _reward_steps(
    before: Reward | None,
    after: Reward,
    balance: RewardBalance,
    announcer: Announcer,
    now: datetime,
) -> Iterator[Message]:
    """What has changed since the reward was last announced."""
    facts = after.facts or (before.announced if before else None)
    if facts:
        for state, at in _steps(_announced_balance(before, after), balance, facts, now):
            yield announcer.reward_moved(after, facts, balance, state, at)


def _announced_balance(before: Reward | None, after: Reward) -> RewardBalance:
    """What was announced last of the same order."""
    if before is None or _order(before.announced) != _order(after.facts):
        return RewardBalance(RewardState.ANNULLED)
    return balance_of(before.announced, before.key.side, before.as_of)


def _steps(
    before: RewardBalance, after: RewardBalance, facts: RewardFacts, now: datetime
) -> Iterator[tuple[RewardState, datetime]]:
    """The states that the reward has passed through, each with its time."""
    if after.state is RewardState.ANNULLED:
        yield RewardState.REVERSED, now
        return
    if before.state is RewardState.ANNULLED:
        yield RewardState.PENDING, facts.earned_at
    becomes_available = (
        after.state is RewardState.AVAILABLE and before.state is not RewardState.AVAILABLE
    )
    if becomes_available:
        yield RewardState.AVAILABLE, facts.available_at
    changed_at = max((change.time for change in facts.returns), default=now)
    if after.reversed > before.reversed:
        yield RewardState.REVERSED, changed_at
    elif after.reversed < before.reversed and not becomes_available:
        yield after.state, changed_at


def _order(facts: RewardFacts | None) -> tuple[str, datetime] | None:
    return (facts.order_id, facts.earned_at) if facts else None
