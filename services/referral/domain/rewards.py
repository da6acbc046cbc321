"""Rewards: what one side of a referral has earned, and the movements on its accounts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from shared.events.payload import (
    LARGEST_PRICE,
    Amount,
    Count,
    Currency,
    CustomerName,
    Instant,
    Name,
    SignedAmount,
)


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
    RESTORED = "restored"
    CANCELLED = "cancelled"
    TRANSFERRED = "transferred"


class Return(msgspec.Struct, frozen=True):
    """How much of the qualifying order had gone back after an event: `gone` of its `total`.

    All of it, if the order was undone.
    """

    time: Instant
    source: Annotated[str, msgspec.Meta(max_length=200)]
    id: Annotated[str, msgspec.Meta(max_length=200)]
    gone: Amount
    total: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PRICE)]

    def __post_init__(self) -> None:
        if self.gone > self.total:
            raise ValueError("more has gone back than there was")


class RewardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What both sides' rewards depend on; the referee's owner sends it to the recommender's.

    `referee` and `recommender` are the ids that named the code and had it, whatever was merged
    since.
    """

    order_id: Name
    referee: CustomerName
    recommender: CustomerName
    currency: Currency
    total: Amount
    earned_at: Instant
    available_at: Instant
    recommender_reward: Amount
    referee_reward: Amount
    returns: tuple[Return, ...] = ()

    def customer(self, side: Side) -> str:
        return self.recommender if side is Side.RECOMMENDER else self.referee

    def amount(self, side: Side) -> int:
        return self.recommender_reward if side is Side.RECOMMENDER else self.referee_reward


class RewardRevision(msgspec.Struct, frozen=True):
    """The facts of a reward as of a revision; without facts it was not earned after all.

    `earner` is the side's id in these facts, also if there are none: the reward is owed to the
    survivor of that id. `since` is the time of the event that made the outcome what it is.
    """

    claim_id: UUID
    revision: Count
    facts: RewardFacts | None
    earner: CustomerName
    since: Instant


class RewardTransfer(msgspec.Struct, frozen=True):
    """What leaves another id for this one: the second posting of a transfer is still to be made.

    Without a `posting` nothing was left to transfer; the reward moves all the same.
    """

    claim_id: UUID
    side: Side
    posting: UUID | None = None
    currency: Annotated[str, msgspec.Meta(max_length=3)] = ""
    pending: SignedAmount = 0
    available: SignedAmount = 0


@dataclass(frozen=True, slots=True, order=True)
class RewardKey:
    """What one customer has of one side's reward for a claim."""

    customer: str
    claim_id: UUID
    side: Side


class LastAnnouncement(msgspec.Struct, frozen=True, kw_only=True):
    """The last announcement of a referral's outcome: the `number`th; none is later than `at`.

    The order is that of the success; it was announced `to` a recommender, who is None once that
    was annulled.
    """

    number: int
    at: datetime
    to: str | None
    referee: str
    order_id: str
    earned_at: datetime

    def is_of(self, facts: RewardFacts | None) -> bool:
        """Is this the order of these facts?"""
        return facts is not None and (self.order_id, self.earned_at) == (
            facts.order_id,
            facts.earned_at,
        )


@dataclass(frozen=True, slots=True)
class Reward:
    """A reward as stored: the ledger holds its movements until `as_of`; at `due_at` it matures.

    It is owed to the survivor of `earner`. `moved` says that this is somebody else by now, and
    that the balance was sent there. The outcome is what it is `since` an event; `told` is what was
    announced of it last. `announced` are the facts by which its balance was announced last: those
    of a parked customer are older than `facts`.
    """

    key: RewardKey
    earner: str
    partition: int
    revision: int
    facts: RewardFacts | None
    state: RewardState
    as_of: datetime
    due_at: datetime | None
    since: datetime
    moved: bool = False
    told: LastAnnouncement | None = None
    announced: RewardFacts | None = None


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

    After an event that leaves r of an order of t gone, round(amount · r / t) is reversed (halves
    up), so that the parts add up to the whole and never to more; what comes back is restored.
    """
    if facts is None:
        return []
    parts = list(_parts(facts, facts.amount(side)))
    matures_at = facts.available_at
    before = [(change, part) for change, part in parts if change.time < matures_at]
    after = [(change, part) for change, part in parts if change.time >= matures_at]
    left = facts.amount(side) + sum(part for _, part in before)
    moves = [Movement(Kind.EARNED, facts.earned_at, facts.order_id, facts.amount(side), 0)]
    moves += [
        Movement(_kind(part), change.time, _cause(change), part, 0) for change, part in before
    ]
    if is_mature(facts, as_of):
        moves.append(Movement(Kind.MATURED, matures_at, facts.order_id, -left, left))
    moves += [Movement(_kind(part), change.time, _cause(change), 0, part) for change, part in after]
    return [movement for movement in moves if movement.pending or movement.available]


def is_mature(facts: RewardFacts, as_of: datetime) -> bool:
    """Whether the return window has ended; a return after its end shows that it has."""
    return max([as_of, *(change.time for change in facts.returns)]) >= facts.available_at


def balance_of(facts: RewardFacts | None, side: Side, as_of: datetime) -> RewardBalance:
    """The sums of all movements until `as_of`."""
    if facts is None:
        return RewardBalance(RewardState.ANNULLED)
    moved = movements(facts, side, as_of)
    pending = sum(movement.pending for movement in moved)
    available = sum(movement.available for movement in moved)
    changes = [movement for movement in moved if movement.kind in (Kind.REVERSED, Kind.RESTORED)]
    gone = -sum(movement.pending + movement.available for movement in changes)
    if gone and not pending + available:
        state = RewardState.REVERSED
    else:
        state = RewardState.AVAILABLE if is_mature(facts, as_of) else RewardState.PENDING
    return RewardBalance(state, pending, available, gone)


def _parts(facts: RewardFacts, amount: int) -> Iterator[tuple[Return, int]]:
    """Each return with what it takes of the amount (minus) or gives back."""
    gone = 0
    for change in facts.returns:
        until_now = (2 * amount * change.gone + change.total) // (2 * change.total)
        yield change, gone - until_now
        gone = until_now


def _kind(part: int) -> Kind:
    return Kind.REVERSED if part < 0 else Kind.RESTORED


def _cause(change: Return) -> str:
    return f"{change.source} {change.id}"
