"""Rewards: what one side of a referral has earned, and every movement of it until it is paid out or taken back."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec


class Side(StrEnum):
    """Whose reward it is."""

    RECOMMENDER = "recommender"
    REFEREE = "referee"


class State(StrEnum):
    """Where a reward stands; annulled: it turned out never to have been earned."""

    PENDING = "pending"
    AVAILABLE = "available"
    REVERSED = "reversed"
    ANNULLED = "annulled"


class Kind(StrEnum):
    """Kinds of postings; a cancelled one is followed by its opposite."""

    EARNED = "earned"
    MATURED = "matured"
    REVERSED = "reversed"
    CANCELLED = "cancelled"


class Refund(msgspec.Struct, frozen=True):
    """Money of the qualifying order that went back: an amount, or all of it (None)."""

    time: datetime
    source: str
    id: str
    amount: int | None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that both sides' rewards depend on; it travels from the referee's owner to the recommender's."""

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


@dataclass(frozen=True, slots=True)
class Movement:
    """One posting of a reward: what it changes on the customer's accounts; the program's expense is the opposite."""

    kind: Kind
    time: datetime
    cause: str
    pending: int
    available: int


@dataclass(frozen=True, slots=True)
class RewardBalance:
    """A reward in sum."""

    state: State
    pending: int = 0
    available: int = 0
    reversed: int = 0


def movements(facts: Facts | None, side: Side, as_of: datetime) -> list[Movement]:
    """All movements of a reward until `as_of`, in order; none without facts.

    What is reversed follows the refunds cumulatively: after refunds of r in sum of an order of t, round(amount · r / t)
    is gone (halves up, all at r ≥ t), so that parts add up to the whole and never to more.
    """
    if facts is None:
        return []
    reversals = list(_reversals(facts, facts.amount(side)))
    matures_at = facts.available_at
    before = [(refund, part) for refund, part in reversals if refund.time < matures_at]
    after = [(refund, part) for refund, part in reversals if refund.time >= matures_at]
    left = facts.amount(side) - sum(part for _, part in before)
    found = [Movement(Kind.EARNED, facts.earned_at, facts.order_id, facts.amount(side), 0)]
    found += [
        Movement(Kind.REVERSED, refund.time, _cause(refund), -part, 0) for refund, part in before
    ]
    if is_mature(facts, as_of):
        found.append(Movement(Kind.MATURED, matures_at, facts.order_id, -left, left))
    found += [
        Movement(Kind.REVERSED, refund.time, _cause(refund), 0, -part) for refund, part in after
    ]
    return [movement for movement in found if movement.pending or movement.available]


def is_mature(facts: Facts, as_of: datetime) -> bool:
    """Has the return window ended, at the latest when a refund came after it?"""
    return max([as_of, *(refund.time for refund in facts.refunds)]) >= facts.available_at


def standing(facts: Facts | None, side: Side, as_of: datetime) -> RewardBalance:
    """What the movements until `as_of` come to."""
    if facts is None:
        return RewardBalance(State.ANNULLED)
    moved = movements(facts, side, as_of)
    pending, available = sum(m.pending for m in moved), sum(m.available for m in moved)
    undone = -sum(m.pending + m.available for m in moved if m.kind is Kind.REVERSED)
    if undone and not pending + available:
        state = State.REVERSED
    else:
        state = State.AVAILABLE if is_mature(facts, as_of) else State.PENDING
    return RewardBalance(state, pending, available, undone)


def _reversals(facts: Facts, amount: int) -> Iterator[tuple[Refund, int]]:
    refunded = gone = 0
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
