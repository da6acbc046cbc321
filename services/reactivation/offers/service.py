"""The use cases of offers: codes at checkout, under the customer's lock that workers take too."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from services.reactivation.api.context import ApiContext
from services.reactivation.domain import codes, offers
from services.reactivation.domain.offers import Code, Refusal
from services.reactivation.offers.schemas import Redemption, RedemptionView
from services.reactivation.offers.transaction import CheckoutTransaction
from shared.database.connection import transaction
from shared.errors import Problem

CodeAction = Callable[[Code, datetime], Code | Refusal]
"""What a request does with a code, at the clock of its partition."""

_REFUSALS: Final = {
    Refusal.ALREADY_RESERVED: (409, "The code is reserved for another order."),
    Refusal.ALREADY_REDEEMED: (409, "The code has been used."),
    Refusal.NOT_RESERVED: (
        409,
        "The code is not reserved for this order, or no longer: reserve it again.",
    ),
    Refusal.OFFER_EXPIRED: (410, "The offer has expired."),
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
            order,
            lambda code, now: offers.reserve(
                code, order.order_id, now, minutes, customer=order.customer
            ),
        )

    async def confirm(self, code: str, order: Redemption) -> RedemptionView:
        """Use the code, for the order was placed; a running case is won back now.

        The order's event changes nothing if its time is later; if it is earlier, the case was won
        back then. The code of a parked customer is used all the same; the case follows with the
        release.
        """
        return await self._apply(
            code, order, lambda code, now: offers.confirm(code, order.order_id, now)
        )

    async def release(self, code: str, order: Redemption) -> RedemptionView:
        """Free the code again, for the order was given up."""
        return await self._apply(
            code, order, lambda code, now: offers.release(code, order.order_id, now)
        )

    async def _apply(self, text: str, order: Redemption, action: CodeAction) -> RedemptionView:
        async with self._context.pool.acquire() as connection, transaction(connection) as tx:
            checkout = CheckoutTransaction(tx, self._context.terms, self._context.partitions)
            snapshot = await checkout.lock(codes.canonical(text), order.customer, order.order_id)
            code = snapshot.offered_code
            after = action(code, snapshot.checkout_at)
            if isinstance(after, Refusal):
                status, detail = _REFUSALS[after]
                raise Problem(status, after, detail)
            if after != code:
                snapshot = await checkout.save(snapshot, after)
        return RedemptionView.of(snapshot)
