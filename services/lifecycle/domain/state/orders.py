"""What is left of each order once its refunds and cancellations are matched to it by id."""

from dataclasses import dataclass, field

import msgspec

from services.lifecycle.domain.state.happenings import EventKey, Happening, Order, OrderUndoing


class OrderAmounts(msgspec.Struct, frozen=True, gc=False):
    """What an order brings, or what its undoing takes away, in minor units.

    `all_undone` says that nothing of the order is left; `key` is where the order stands in the
    customer's life, which its undoing needs.
    """

    currency: str
    amount: int
    margin: int | None
    all_undone: bool = False
    key: EventKey | None = None


@dataclass(slots=True)
class _Order:
    placed: Order | None = None
    key: EventKey | None = None
    undoings: list[OrderUndoing] = field(default_factory=list)

    def remainder(self) -> OrderAmounts | None:
        """Return what is left of the order; None before it is placed.

        A refund in another currency undoes nothing.
        """
        if self.placed is None or self.key is None:
            return None
        total = self.placed.total
        undone = [u.amount for u in self.undoings if u.currency in (None, total.currency)]
        refunded = sum([amount for amount in undone if amount is not None])
        all_undone = None in undone or (bool(undone) and refunded >= total.amount)
        left = 0 if all_undone else total.amount - refunded
        margin = _margin(self.placed)
        if margin is not None and total.amount:
            margin = margin * left // total.amount
        if all_undone and margin:
            margin = 0
        return OrderAmounts(total.currency, left, margin, all_undone, self.key)


class Orders:
    """The orders of one customer while its whole life is folded."""

    def __init__(self) -> None:
        self._orders: dict[str, _Order] = {}

    def place(self, happening: Happening, placed: Order) -> OrderAmounts | None:
        """Return what the order brings; None if another event has already placed it."""
        order = self._orders.setdefault(placed.order_id, _Order())
        if order.placed is not None:
            return None
        order.placed = placed
        order.key = happening.key
        return order.remainder()

    def undo(self, undoing: OrderUndoing) -> OrderAmounts | None:
        """Return what this undoing takes away.

        None if the order has not been placed yet, or nothing of it was left.
        """
        order = self._orders.setdefault(undoing.order_id, _Order())
        before = order.remainder()
        order.undoings.append(undoing)
        after = order.remainder()
        if before is None or after is None or before.all_undone:
            return None
        amount = before.amount - after.amount
        margin = None if before.margin is None else before.margin - (after.margin or 0)
        return OrderAmounts(before.currency, amount, margin, after.all_undone, before.key)


def full_amounts(order: Order) -> OrderAmounts:
    """Return what an order brings if no event has named it before."""
    total = order.total
    margin = None if order.margin is None else _margin(order)
    return OrderAmounts(total.currency, total.amount, margin)


def _margin(order: Order) -> int | None:
    """Return the margin in minor units of the total's currency."""
    margin = order.margin
    if margin is None or margin.currency != order.total.currency:
        return None
    return margin.amount
