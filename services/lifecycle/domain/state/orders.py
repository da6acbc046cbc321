"""What stands of each order: completed, refunded and cancelled events matched by order id, whatever came first."""

from dataclasses import dataclass, field

import msgspec

from services.lifecycle.domain.state.happenings import EventKey, Happening, Order, OrderUndoing


class Part(msgspec.Struct, frozen=True, gc=False):
    """What an order brings, or what its undoing takes away (minor units); `whole` if nothing of it is left.

    `key` is where in the customer's life the order stands, for its undoing.
    """

    currency: str
    amount: int
    margin: int | None
    whole: bool = False
    key: EventKey | None = None


@dataclass(slots=True)
class _Order:
    placed: Order | None = None
    key: EventKey | None = None
    undoings: list[OrderUndoing] = field(default_factory=list)

    def remainder(self) -> Part | None:
        """What stands of the order, None before it is placed. A refund in another currency undoes nothing."""
        if self.placed is None or self.key is None:
            return None
        total = self.placed.total
        known = [u for u in self.undoings if u.currency in (None, total.currency)]
        refunded = sum(u.amount for u in known if u.amount is not None)
        whole = any(u.amount is None for u in known) or (bool(known) and refunded >= total.amount)
        left = 0 if whole else total.amount - refunded
        margin = _margin(self.placed)
        if margin is not None and total.amount:
            margin = margin * left // total.amount
        return Part(total.currency, left, 0 if whole and margin else margin, whole, self.key)


class Orders:
    """The orders of one customer while its whole life is folded."""

    def __init__(self) -> None:
        self._orders: dict[str, _Order] = {}

    def place(self, happening: Happening, placed: Order) -> Part | None:
        """What the order brings; None if it was placed before, under another event id."""
        order = self._orders.setdefault(placed.order_id, _Order())
        if order.placed is not None:
            return None
        order.placed, order.key = placed, happening.key
        return order.remainder()

    def undo(self, undoing: OrderUndoing) -> Part | None:
        """What this undoing takes away; None if the order is not known (yet), or nothing of it was left."""
        order = self._orders.setdefault(undoing.order_id, _Order())
        before = order.remainder()
        order.undoings.append(undoing)
        after = order.remainder()
        if before is None or after is None or before.whole:
            return None
        margin = None if before.margin is None else before.margin - (after.margin or 0)
        return Part(before.currency, before.amount - after.amount, margin, after.whole, before.key)


def fresh(order: Order) -> Part:
    """What an order brings whose id has not been seen before."""
    total = order.total
    return Part(total.currency, total.amount, None if order.margin is None else _margin(order))


def _margin(order: Order) -> int | None:
    """Minor units of the total's currency."""
    margin = order.margin
    return margin.amount if margin is not None and margin.currency == order.total.currency else None
