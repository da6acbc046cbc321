"""The use cases of offers: codes at checkout, under the customer's lock that workers take too."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from services.reactivation.api.context import ApiContext
from services.reactivation.cases.recomputation import FoldFailed, PartitionTime, recompute
from services.reactivation.cases.repository import save_offers
from services.reactivation.cases.search import CaseSnapshot, case_by_code
from services.reactivation.customers.repository import lock_customers, park_customers
from services.reactivation.domain import codes, offers
from services.reactivation.domain.cases import Case, Offer
from services.reactivation.domain.offers import Refusal
from services.reactivation.offers.schemas import Redemption, RedemptionView
from shared.database.connection import Tx, transaction
from shared.errors import Problem
from shared.stream.log.parked_customers import count_parked

OfferAction = Callable[[Case, datetime], Offer | Refusal]
"""What a request does with the offer of a case, at the clock of its partition."""

_REFUSALS: Final = {
    Refusal.ALREADY_RESERVED: (409, "The code is reserved for another order."),
    Refusal.ALREADY_REDEEMED: (409, "The code has been used."),
    Refusal.NOT_RESERVED: (
        409,
        "The code is not reserved for this order, or no longer: reserve it again.",
    ),
    Refusal.OFFER_EXPIRED: (410, "The offer has expired."),
    Refusal.OFFER_WITHDRAWN: (410, "The offer was withdrawn."),
}


class OfferService:
    """Reserves, confirms and releases codes; the same request again gets the same answer.

    Every request raises Problem 404 "unknown_code", 403 "not_your_code", or a Refusal.
    """

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def reserve(self, code: str, order: Redemption) -> RedemptionView:
        """Reserve the code for an order; the reservation ends by the partition's clock."""
        minutes = self._context.terms.reservation_minutes
        return await self._apply(
            code,
            order.customer,
            lambda case, now: offers.reserve(case, order.order_id, now, minutes),
        )

    async def confirm(self, code: str, order: Redemption) -> RedemptionView:
        """Use the code, for the order was placed; a running case is won back now.

        The order's event changes nothing if its time is later; if it is earlier, the case was won
        back then. The code of a parked customer is used all the same; the case follows with the
        release.
        """
        return await self._apply(
            code, order.customer, lambda case, now: offers.confirm(case, order.order_id, now)
        )

    async def release(self, code: str, order: Redemption) -> RedemptionView:
        """Free the code again, for the order was given up."""
        return await self._apply(
            code, order.customer, lambda case, now: offers.release(case, order.order_id, now)
        )

    async def _apply(self, code: str, customer: str, action: OfferAction) -> RedemptionView:
        async with self._context.pool.acquire() as connection, transaction(connection) as tx:
            snapshot = await _lock_case(tx, codes.canonical(code), customer)
            now = max(snapshot.as_of, snapshot.case.offer.made_at)
            outcome = action(snapshot.case, now)
            if isinstance(outcome, Refusal):
                status, detail = _REFUSALS[outcome]
                raise Problem(status, outcome, detail)
            if outcome != snapshot.case.offer:
                snapshot = await self._save(tx, snapshot, outcome)
        return RedemptionView.of(snapshot)

    async def _save(self, tx: Tx, snapshot: CaseSnapshot, offer: Offer) -> CaseSnapshot:
        await save_offers(tx, [offer])
        if offer.confirmed_for is None or snapshot.parked:
            return snapshot._replace(case=replace(snapshot.case, offer=offer))
        time = PartitionTime(snapshot.partition, until=snapshot.as_of, recorded_at=snapshot.as_of)
        try:
            await recompute(tx, {snapshot.case.customer: time}, self._context.terms)
        except FoldFailed as failure:
            await park_customers(tx, failure.reasons)
            count_parked(len(failure.reasons))
        return await _find_case(tx, offer.code)


async def _lock_case(tx: Tx, code: str, customer: str) -> CaseSnapshot:
    """The case of the code, read under the customer's lock."""
    if not codes.is_well_formed(code):
        raise _unknown_code()
    snapshot = await _find_case(tx, code)
    if snapshot.case.customer != customer:
        raise Problem(403, "not_your_code", "The code was given to another customer.")
    await lock_customers(tx, [customer])
    return await _find_case(tx, code)


async def _find_case(tx: Tx, code: str) -> CaseSnapshot:
    snapshot = await case_by_code(tx, code)
    if snapshot is None:
        raise _unknown_code()
    return snapshot


def _unknown_code() -> Problem:
    return Problem(404, "unknown_code", "There is no such code.")
