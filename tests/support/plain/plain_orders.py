"""What a customer's orders are after the events so far, in the plainest way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from tests.support.plain.plain_events import PlainEvent


@dataclass
class PlainRefund:
    """Money that was given back; not `live` once it is withdrawn."""

    refund_id: str | None
    amount: int
    currency: str
    live: bool = True


@dataclass
class PlainOrder:
    """An order. `source` and `subject` are those of the event that named it first."""

    order_id: str
    store: str
    source: str
    subject: str
    purchased_at: datetime
    total: int = 0
    currency: str = ""
    replacement: bool = False
    is_purchase: bool = True
    cancelled: bool = False
    refunds: list[PlainRefund] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it."""
        return self.order_id, self.store

    @property
    def live(self) -> list[PlainRefund]:
        """The refunds that count: in the present currency, and not withdrawn."""
        return [r for r in self.refunds if r.live and r.currency == self.currency]

    @property
    def refunded(self) -> int:
        """The sum of the refunds that count."""
        return sum(refund.amount for refund in self.live)

    @property
    def left(self) -> int:
        """What is left of the total."""
        return max(self.total - self.refunded, 0)

    @property
    def undone(self) -> bool:
        """Is it cancelled, or refunded up to its present total?"""
        return self.cancelled or (bool(self.live) and self.refunded >= self.total)

    @property
    def stands(self) -> bool:
        """Is it a purchase, and not undone?"""
        return self.is_purchase and not self.undone


@dataclass
class PlainOrders:
    """All orders, the refunds and cancellations that wait, and why events had no effect."""

    known: list[PlainOrder] = field(default_factory=list)
    waiting: list[PlainEvent] = field(default_factory=list)
    remarks: dict[tuple[str, str, str], str] = field(default_factory=dict)

    @property
    def standing(self) -> list[PlainOrder]:
        """The purchases that stand."""
        return [order for order in self.known if order.stands]


def orders_of(events: Sequence[PlainEvent]) -> PlainOrders:
    """Go through the events from the first one on."""
    orders = PlainOrders()
    for event in events:
        if event.type == "order.completed":
            _complete(orders, event)
        elif event.type in CHANGES:
            _find_and_change(orders, event)
    return orders


def _find_and_change(orders: PlainOrders, event: PlainEvent) -> None:
    order = _match(orders.known, event)
    if isinstance(order, PlainOrder):
        _change(orders, order, event)
    else:
        _remark(orders, event, order)
        if event.type in ("order.refunded", "order.cancelled"):
            orders.waiting.append(event)


def _remark(orders: PlainOrders, event: PlainEvent, reason: str) -> None:
    orders.remarks[event.source, event.id, event.subject] = reason


def _complete(orders: PlainOrders, event: PlainEvent) -> None:
    order_id = event.data["order_id"]
    store = event.data.get("store") or event.source
    for order in orders.known:
        if order.key == (order_id, store):
            _change(orders, order, event)
            return
    order = PlainOrder(order_id, store, event.source, event.subject, event.time)
    order.replacement = bool(event.data.get("replacement_of"))
    _say(order, event)
    orders.known.append(order)
    for waiting in list(orders.waiting):
        if _match(orders.known, waiting) is order:
            orders.waiting.remove(waiting)
            del orders.remarks[waiting.source, waiting.id, waiting.subject]
            _change(orders, order, waiting)


def _say(order: PlainOrder, event: PlainEvent) -> None:
    """The latest of completed and updated says the total, and whether one of 0 is a purchase."""
    if event.data.get("total"):
        order.total = event.data["total"]["amount"]
        order.currency = event.data["total"]["currency"]
    order.is_purchase = not order.replacement and (order.total > 0 or event.free_counts)


def _match(known: Sequence[PlainOrder], event: PlainEvent) -> PlainOrder | str:
    """Return the order that an event speaks of, among those known, or why there is none."""
    same_id = [order for order in known if order.order_id == event.data["order_id"]]
    store = event.data.get("store")
    if event.type == "order.updated":
        store = store or event.source
    if store is not None:
        of_store = [order for order in same_id if order.store == store]
        return of_store[0] if of_store else "order_unknown"
    own_source = [order for order in same_id if order.source == event.source]
    own_subject = [order for order in same_id if order.subject == event.subject]
    both = [order for order in own_source if order in own_subject]
    for tier in (both, own_source, own_subject, same_id):
        if len(tier) == 1:
            return tier[0]
        if tier:
            return "order_ambiguous"
    return "order_unknown"


def _change(orders: PlainOrders, order: PlainOrder, event: PlainEvent) -> None:
    before = replace(order, refunds=[replace(refund) for refund in order.refunds])
    reason = CHANGES[event.type](order, event)
    if reason is None and order == before:
        reason = "unchanged"
    undoes = event.type in ("order.refunded", "order.cancelled")
    if reason is None and undoes and before.undone:
        reason = "nothing_left"
    if reason is not None:
        _remark(orders, event, reason)


def _complete_again(order: PlainOrder, event: PlainEvent) -> str | None:
    if order.cancelled:
        order.cancelled = False
        order.purchased_at = event.time
    _say(order, event)
    return None


def _update(order: PlainOrder, event: PlainEvent) -> str | None:
    _say(order, event)
    return None


def _cancel(order: PlainOrder, _: PlainEvent) -> str | None:
    order.cancelled = True
    return None


def _refund(order: PlainOrder, event: PlainEvent) -> str | None:
    amount = event.data.get("amount")
    refund_id = event.data.get("refund_id")
    if refund_id is not None and refund_id in [refund.refund_id for refund in order.refunds]:
        return "refund_repeated"
    if amount is not None and amount["currency"] != order.currency:
        return "other_currency"
    all_left = 0 if order.undone else order.left
    refunded = all_left if amount is None else amount["amount"]
    order.refunds.append(PlainRefund(refund_id, refunded, order.currency))
    return None


def _withdraw(order: PlainOrder, event: PlainEvent) -> str | None:
    live = [refund for refund in order.refunds if refund.live]
    if event.data.get("refund_id") is not None:
        live = [refund for refund in live if refund.refund_id == event.data["refund_id"]]
    else:
        amount = event.data["amount"]
        meant = (amount["amount"], amount["currency"])
        live = [refund for refund in live if (refund.amount, refund.currency) == meant]
    if not live:
        return "refund_unknown"
    live[-1].live = False
    return None


CHANGES: Final[Mapping[str, Callable[[PlainOrder, PlainEvent], str | None]]] = {
    "order.completed": _complete_again,
    "order.updated": _update,
    "order.cancelled": _cancel,
    "order.refunded": _refund,
    "order.refund_withdrawn": _withdraw,
}
