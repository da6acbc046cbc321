"""Which order uses the code of an offer."""

from datetime import datetime
from typing import NamedTuple

from services.reactivation.domain.cases import Confirmation, Offer
from services.reactivation.domain.purchases import Purchases
from shared.orders.order import Order, OrderKey


class CodeUse(NamedTuple):
    """An order that uses a code; `key` is None if only a confirmation tells of it."""

    order_id: str
    at: datetime
    key: OrderKey | None = None

    def is_of(self, order: Order) -> bool:
        """Whether it is this order."""
        return self.order_id == order.id if self.key is None else self.key == order.key


def use_of(offer: Offer, purchases: Purchases, until: datetime) -> CodeUse | None:
    """The use of an offer's code, after all that has happened up to `until`.

    The last order that the shop has confirmed the code for counts, unless it is undone; else the
    first purchase that came with the code in time and stands.
    """
    for confirmation in reversed(offer.confirmations):
        if confirmation.at <= until and _is_in_force(confirmation, offer, purchases):
            at = purchases.bought_at(*confirmation)
            return CodeUse(confirmation.order_id, at)
    for order in purchases.standing():
        in_time = offer.made_at <= order.at < offer.expires_at
        if in_time and purchases.has_code(order, offer.code):
            return CodeUse(order.id, order.at, order.key)
    return None


def _is_in_force(confirmation: Confirmation, offer: Offer, purchases: Purchases) -> bool:
    """Whether the order is not undone, or was confirmed once more after that."""
    undone_at = purchases.undone_at(confirmation.order_id)
    if undone_at is None:
        return True
    same = [use for use in offer.confirmations if use.order_id == confirmation.order_id]
    return confirmation != same[0] and undone_at < confirmation.at
