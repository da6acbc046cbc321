"""Rewards: what one side of a referral has earned, and the movements on its accounts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec


class Side(StrEnum):
    """The two customers whom a referral rewards."""

    RECOMMENDER = "recommender"
    REFEREE = "referee"


class RewardState(StrEnum):
    """The state of a reward; an annulled one turned out never to have been earned."""

    PENDING = "pending"
    AVAILABLE = "available"
    REVERSED = "reversed"
    ANNULLED = "annulled"


class Kind(StrEnum):
    """Kinds of postings.

    A cancelled one is followed by its opposite; a transferred one has a counterpart: what leaves
    an id that was merged (or unmerged) comes to the id that stands for the person now.
    """

    EARNED = "earned"
    MATURED = "matured"
    REVERSED = "reversed"
    CANCELLED = "cancelled"
    TRANSFERRED = "transferred"


class Refund(msgspec.Struct, frozen=True):
    """Money of the qualifying order that went back: an amount, or all of it (None)."""

    time: datetime
    source: str
    id: str
    amount: int | None


class RewardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What both sides' rewards depend on; the referee's owner sends it to the recommender's.

    `referee` and `recommender` are the ids that named the code and had it, whatever was merged
    since.
    """

    order_id: str
    referee: str
    recommender: str
    currency: str
    total: int
    earned_at: datetime
    available_at: datetime
    recommender_reward: int
    referee_reward: int
    refunds: tuple[Refund, ...] = ()

    def customer(self, side: Side) -> str:
        return self.recommender if side is Side.RECOMMENDER else self.referee

    def amount(self, side: Side) -> int:
        return self.recommender_reward if side is Side.RECOMMENDER else self.referee_reward


class RewardRevision(msgspec.Struct, frozen=True):
    """The facts of a reward as of a revision; without facts it was not earned after all.

    `earner` is the side's id in these facts, also if there are none: the reward is owed to the
    survivor of that id.
    """

    claim_id: UUID
    revision: int
    facts: RewardFacts | None
    earner: str


class RewardTransfer(msgspec.Struct, frozen=True):
    """What leaves another id for this one: the second posting of a transfer is still to be made.

    Without a `posting` nothing was left to transfer; the reward moves all the same.
    """

    claim_id: UUID
    side: Side
    posting: UUID | None = None
    currency: str = ""
    pending: int = 0
    available: int = 0


@dataclass(frozen=True, slots=True, order=True)
class RewardKey:
    """What one customer has of one side's reward for a claim."""

    customer: str
    claim_id: UUID
    side: Side


@dataclass(frozen=True, slots=True)
class Reward:
    """A reward as stored: the ledger holds its movements until `as_of`; at `due_at` it matures.

    It is owed to the survivor of `earner`. `moved` says that this is somebody else by now, and
    that the balance was sent there. `told` is to whom its success was announced.
    """

    key: RewardKey
    earner: str
    partition: int
    revision: int
    facts: RewardFacts | None
    state: RewardState
    as_of: datetime
    due_at: datetime | None
    moved: bool = False
    told: str | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """What one posting changes on the customer's accounts; the program pays the opposite."""

    kind: Kind
    time: datetime
    cause: str
    pending: int
    available: int


@dataclass(frozen=True, slots=True)
class RewardBalance:
    """The sums of one reward, in minor units of its currency."""

    state: RewardState
    pending: int = 0
    available: int = 0
    reversed: int = 0


def movements(facts: RewardFacts | None, side: Side, as_of: datetime) -> list[Movement]:
    """All movements of a reward until `as_of`, in order; none without facts.

    Reversals follow the sum of all refunds: after refunds of r for an order of t,
    round(amount · r / t) is reversed (halves up, all at r ≥ t), so that the parts add up to the
    whole and never to more.
    """
    if facts is None:
        return []
    reversals = list(_reversals(facts, facts.amount(side)))
    matures_at = facts.available_at
    before = [(refund, part) for refund, part in reversals if refund.time < matures_at]
    after = [(refund, part) for refund, part in reversals if refund.time >= matures_at]
    left = facts.amount(side) - sum(part for _, part in before)
    moves = [Movement(Kind.EARNED, facts.earned_at, facts.order_id, facts.amount(side), 0)]
    moves += [
        Movement(Kind.REVERSED, refund.time, _cause(refund), -part, 0) for refund, part in before
    ]
    if is_mature(facts, as_of):
        moves.append(Movement(Kind.MATURED, matures_at, facts.order_id, -left, left))
    moves += [
        Movement(Kind.REVERSED, refund.time, _cause(refund), 0, -part) for refund, part in after
    ]
    return [movement for movement in moves if movement.pending or movement.available]


def is_mature(facts: RewardFacts, as_of: datetime) -> bool:
    """Whether the return window has ended; a refund after its end shows that it has."""
    return max([as_of, *(refund.time for refund in facts.refunds)]) >= facts.available_at


def balance_of(facts: RewardFacts | None, side: Side, as_of: datetime) -> RewardBalance:
    """The sums of all movements until `as_of`."""
    if facts is None:
        return RewardBalance(RewardState.ANNULLED)
    moved = movements(facts, side, as_of)
    pending = sum(movement.pending for movement in moved)
    available = sum(movement.available for movement in moved)
    reversals = [movement for movement in moved if movement.kind is Kind.REVERSED]
    gone = -sum(movement.pending + movement.available for movement in reversals)
    if gone and not pending + available:
        state = RewardState.REVERSED
    else:
        state = RewardState.AVAILABLE if is_mature(facts, as_of) else RewardState.PENDING
    return RewardBalance(state, pending, available, gone)


def _reversals(facts: RewardFacts, amount: int) -> Iterator[tuple[Refund, int]]:
    """Each refund with what it reverses of the amount."""
    refunded = 0
    gone = 0
    for refund in _in_order(facts.refunds):
        refunded = (
            facts.total if refund.amount is None else min(facts.total, refunded + refund.amount)
        )
        whole = refunded >= facts.total and (refund.amount is None or refund.amount > 0)
        until_now = amount if whole else _share(amount, refunded, facts.total)
        until_now = max(until_now, gone)
        yield refund, until_now - gone
        gone = until_now


def _share(amount: int, refunded: int, total: int) -> int:
    return (2 * amount * refunded + total) // (2 * total) if total else 0


def _in_order(refunds: Iterable[Refund]) -> list[Refund]:
    return sorted(refunds, key=lambda r: (r.time, r.source, r.id))


def _cause(refund: Refund) -> str:
    return f"{refund.source} {refund.id}"
