"""How a case stands at an instant: won back, over, or running."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from services.reactivation.domain.cases import Case, LapseKey, Offer, State
from services.reactivation.domain.redemptions import CodeUse
from shared.orders.order import Order


@dataclass(slots=True)
class Attempt:
    """A case while its customer is folded.

    `ended_early_at` is when its order was undone while another case ran.
    """

    case: Case
    opened_by: LapseKey
    begins_at: datetime
    is_reopened: bool = False
    ended_early_at: datetime | None = None


class Ending(NamedTuple):
    """The return of a customer."""

    at: datetime
    order_id: str
    with_code: bool


def find_ending(
    begins_at: datetime, offer: Offer, purchases: Sequence[Order], uses: Iterable[CodeUse]
) -> Ending | None:
    """The first return in a case's time: with a code, or without one while that counts.

    `purchases` are those that stand, in the order of their times.
    """
    used = list(uses)
    endings = [
        Ending(use.at, use.order_id, with_code=True)
        for use in used
        if begins_at <= use.at < offer.deadline
    ]
    for order in purchases:
        if begins_at <= order.at < offer.attributed_until:
            with_code = any(use.is_of(order) for use in used)
            endings.append(Ending(order.at, order.id, with_code))
            break
    return min(endings, key=lambda each: (each.at, not each.with_code), default=None)


def outcome(attempt: Attempt, ending: Ending | None, now: datetime) -> Case:
    """The case at `now`, if this is how the customer has returned."""
    case = attempt.case
    offer = case.offer
    if offer is None:
        return case
    if ending is not None:
        return replace(
            case,
            state=State.WON_BACK,
            ended_at=ending.at,
            order_id=ending.order_id,
            with_code=ending.with_code,
        )
    if attempt.ended_early_at is not None:
        ended_at = min(attempt.ended_early_at, offer.deadline)
        return replace(case, state=State.EXPIRED, ended_at=ended_at)
    if offer.deadline <= now:
        return replace(case, state=State.EXPIRED, ended_at=offer.deadline)
    return replace(case, state=State.REOPENED if attempt.is_reopened else State.OFFERED)
