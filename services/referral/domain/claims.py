"""Claims: which touch of a referee counts, and whether the first order earns a reward."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.referral.domain import codes
from services.referral.domain.orders import Purchase, first_standing
from services.referral.domain.rewards import RewardFacts
from services.referral.domain.terms import Terms
from shared.bounds import later
from shared.ids import stable_id
from shared.orders.order import Order

FIRST_DAY_ENDS: Final = datetime(1970, 1, 2, tzinfo=UTC)
FOREVER: Final = datetime(9998, 1, 1, tzinfo=UTC)
_LONGEST_CODE: Final = 200


class State(StrEnum):
    """The state of a claim; an accepted one is shown as expired once `expires_at` has passed."""

    ACCEPTED = "accepted"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    REFUSED = "refused"
    QUALIFIED = "qualified"
    UNQUALIFIED = "unqualified"


class Reason(StrEnum):
    """Why a claim was refused, or its order earned nothing."""

    MISTYPED_CODE = "mistyped_code"
    UNKNOWN_CODE = "unknown_code"
    SELF_REFERRAL = "self_referral"
    ALREADY_CUSTOMER = "already_customer"
    BELOW_MINIMUM = "below_minimum"
    NO_REWARD_IN_THIS_CURRENCY = "no_reward_in_this_currency"
    HISTORICAL_ORDER = "historical_order"


@dataclass(frozen=True, slots=True)
class Touch:
    """A referee named a code; `recommender` is its owner, None while no owner is known."""

    id: UUID
    referee: str
    time: datetime
    source: str
    event: str
    code: str
    recommender: str | None
    terms: Terms

    @property
    def key(self) -> tuple[datetime, str, str, str]:
        return self.time, self.source, self.event, self.referee

    @property
    def expires_at(self) -> datetime:
        """Never, if the clock had not ticked when the code was named: nothing to count from."""
        if self.time < FIRST_DAY_ENDS:
            return FOREVER
        return later(self.time, timedelta(days=self.terms.claim_days))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of a claim, given everything known of the referee."""

    state: State
    reason: Reason | None = None
    order_id: str | None = None


_ACCEPTED: Final = Verdict(State.ACCEPTED)
_SUPERSEDED: Final = Verdict(State.SUPERSEDED)


def new_touch(
    referee: str, time: datetime, source: str, event: str, text: str, terms: Terms
) -> Touch:
    """A touch by what the referee typed; the owner of the code is looked up later."""
    code = codes.read(text) or text[:_LONGEST_CODE]
    id = stable_id("claim", referee, source, event)
    return Touch(id, referee, time, source, event, code, None, terms)


def judge(
    person: Collection[str], touches: Iterable[Touch], bought: Sequence[Purchase]
) -> dict[UUID, Verdict]:
    """The verdicts on the claims of a person, by claim, whatever the order of touches.

    `person` has all ids of the referee; none of them may own the code. The first purchase that
    stands decides.
    """
    first = first_standing(bought)
    verdicts: dict[UUID, Verdict] = {}
    winner: Touch | None = None
    for touch in sorted(touches, key=lambda t: t.key):
        reason = _reason_to_refuse(person, touch, first)
        verdicts[touch.id] = Verdict(State.REFUSED, reason) if reason else _SUPERSEDED
        winner = winner if reason else touch
    if winner:
        verdicts[winner.id] = _outcome(winner, first.order) if first else _ACCEPTED
    return verdicts


def _reason_to_refuse(
    person: Collection[str], touch: Touch, first: Purchase | None
) -> Reason | None:
    if codes.read(touch.code) is None:
        return Reason.MISTYPED_CODE
    if touch.recommender is None:
        return Reason.UNKNOWN_CODE
    if touch.recommender in person:
        return Reason.SELF_REFERRAL
    # An order at the instant of the touch may carry it; only an earlier one refuses the claim.
    return Reason.ALREADY_CUSTOMER if first and first.order.at < touch.time else None


def _outcome(touch: Touch, order: Order) -> Verdict:
    if order.at > touch.expires_at:
        return Verdict(State.EXPIRED)
    reason = _reason_to_earn_nothing(touch, order)
    state = State.UNQUALIFIED if reason else State.QUALIFIED
    return Verdict(state, reason, order.id)


def _reason_to_earn_nothing(touch: Touch, order: Order) -> Reason | None:
    if order.is_historical:
        return Reason.HISTORICAL_ORDER
    terms = touch.terms.currencies.get(order.currency)
    if terms is None:
        return Reason.NO_REWARD_IN_THIS_CURRENCY
    return Reason.BELOW_MINIMUM if order.total < terms.minimum_order else None


def determine_facts(
    touches: Sequence[Touch], bought: Sequence[Purchase], verdicts: Mapping[UUID, Verdict]
) -> dict[UUID, RewardFacts]:
    """The facts of the rewards that a person's claims have earned, by claim: at most one has.

    While no purchase stands, an accepted claim keeps the reward of the last one that would have
    earned it, and nothing is left of that.
    """
    return {
        touch.id: _facts(touch, purchase)
        for touch in touches
        if touch.recommender and (purchase := _earning(touch, bought, verdicts[touch.id]))
    }


def _earning(touch: Touch, bought: Sequence[Purchase], verdict: Verdict) -> Purchase | None:
    if verdict.state is State.QUALIFIED:
        return first_standing(bought)
    if verdict.state is not State.ACCEPTED:
        return None
    would_have = (
        purchase
        for purchase in reversed(bought)
        if touch.time <= purchase.order.at
        and _outcome(touch, purchase.order).state is State.QUALIFIED
    )
    return next(would_have, None)


def _facts(touch: Touch, purchase: Purchase) -> RewardFacts:
    order = purchase.order
    days = purchase.return_window_days
    if days is None:
        days = touch.terms.return_window_days
    terms = touch.terms.currencies[order.currency]
    return RewardFacts(
        order_id=order.id,
        referee=touch.referee,
        recommender=touch.recommender or "",
        currency=order.currency,
        total=order.total,
        earned_at=order.at,
        available_at=later(order.at, timedelta(days=days)),
        recommender_reward=terms.recommender,
        referee_reward=terms.referee,
        returns=tuple(purchase.returns),
    )
