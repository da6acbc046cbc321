"""How one event changes one order."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from shared.orders.facts import OrderAction, OrderDetails, OrderFact
from shared.orders.order import Order, Refund


class NoEffect(StrEnum):
    """Why an event about an order has changed nothing. Public: the time line shows it."""

    UNCHANGED = "unchanged"
    """It says what was known already."""
    ORDER_UNKNOWN = "order_unknown"
    ORDER_AMBIGUOUS = "order_ambiguous"
    """Several orders have this id, and nothing tells which of them is meant."""
    OTHER_CURRENCY = "other_currency"
    """The amount is in another currency than the order."""
    REFUND_REPEATED = "refund_repeated"
    """A refund with the same id was counted before."""
    REFUND_UNKNOWN = "refund_unknown"
    """No refund that counts has this id, or this amount."""
    NOTHING_LEFT = "nothing_left"
    """Nothing was left of the order: it was undone before."""


WAITING: Final = frozenset({NoEffect.ORDER_UNKNOWN, NoEffect.ORDER_AMBIGUOUS})
"""Reasons for which a refund or cancellation waits: it counts as soon as its order is known."""


class OrderChange(msgspec.Struct, frozen=True, gc=False):
    """An order before and after an event; `no_effect` says why nothing visible has changed.

    Both are None if the event belongs to no order that is known.
    """

    before: Order | None
    after: Order | None
    no_effect: NoEffect | None = None


def place(event: OrderFact, *, free_counts: bool) -> Order:
    """Return a new order, as the event that completes it says."""
    details = event.details
    total = details.total
    assert total is not None  # noqa: S101  (readers refuse a completed order without one)
    store = details.store or event.source
    return Order(
        details.order_id,
        store,
        event.time,
        total.amount,
        total.currency,
        _margin_in(details, total.currency),
        source="" if event.source == store else event.source,
        origin=event.origin,
        is_replacement=details.replacement_of is not None,
        is_purchase=details.replacement_of is None and (total.amount > 0 or free_counts),
        is_historical=event.historical,
    )


def change(order: Order, event: OrderFact, *, free_counts: bool) -> OrderChange:
    """Return what an event makes of an order that it is about."""
    after = _CHANGES[event.action](order, event, free_counts)
    if isinstance(after, NoEffect):
        return OrderChange(order, order, after)
    if after == order:
        return OrderChange(order, order, NoEffect.UNCHANGED)
    after = replace(after, is_changed=True)
    undoes = event.action in (OrderAction.REFUNDED, OrderAction.CANCELLED)
    nothing_left = undoes and order.is_undone
    return OrderChange(order, after, NoEffect.NOTHING_LEFT if nothing_left else None)


def _complete(order: Order, event: OrderFact, free_counts: bool) -> Order:
    """Take what the event says, and a cancellation back: the order is bought anew then."""
    updated = _update(order, event, free_counts)
    if not order.is_cancelled:
        return updated
    return replace(updated, is_cancelled=False, at=event.time, is_historical=event.historical)


def _update(order: Order, event: OrderFact, free_counts: bool) -> Order:
    """Take the total and margin that the event names."""
    details = event.details
    total = order.total
    currency = order.currency
    if details.total is not None:
        total = details.total.amount
        currency = details.total.currency
    margin = _margin_in(details, currency)
    if margin is None and currency == order.currency:
        margin = order.margin
    return replace(
        order,
        total=total,
        currency=currency,
        margin=margin,
        is_purchase=not order.is_replacement and (total > 0 or free_counts),
    )


def _refund(order: Order, event: OrderFact, _: bool) -> Order | NoEffect:
    details = event.details
    id = details.refund_id
    if id is not None and any(refund.id == id for refund in order.refunds):
        return NoEffect.REFUND_REPEATED
    amount = details.amount
    if amount is not None and amount.currency != order.currency:
        return NoEffect.OTHER_CURRENCY
    refunded = _all_left(order) if amount is None else amount.amount
    refund = Refund(refunded, order.currency, id)
    return replace(order, refunds=(*order.refunds, refund))


def _all_left(order: Order) -> int:
    return 0 if order.is_undone else order.total - order.refunded


def _withdraw_refund(order: Order, event: OrderFact, _: bool) -> Order | NoEffect:
    """Withdraw the refund with the id that is named, or else the last of the same amount."""
    details = event.details
    for index in reversed(range(len(order.refunds))):
        refund = order.refunds[index]
        if not refund.withdrawn and _is_meant(refund, details):
            withdrawn = replace(refund, withdrawn=True)
            refunds = (*order.refunds[:index], withdrawn, *order.refunds[index + 1 :])
            return replace(order, refunds=refunds)
    return NoEffect.REFUND_UNKNOWN


def _is_meant(refund: Refund, details: OrderDetails) -> bool:
    if details.refund_id is not None:
        return refund.id == details.refund_id
    amount = details.amount
    return amount is not None and (refund.amount, refund.currency) == (
        amount.amount,
        amount.currency,
    )


def _cancel(order: Order, _: OrderFact, __: bool) -> Order:
    return replace(order, is_cancelled=True)


def _margin_in(details: OrderDetails, currency: str) -> int | None:
    """Return the margin in minor units of the total's currency."""
    margin = details.margin
    return None if margin is None or margin.currency != currency else margin.amount


_CHANGES: Final[Mapping[OrderAction, Callable[[Order, OrderFact, bool], Order | NoEffect]]] = (
    MappingProxyType(
        {
            OrderAction.COMPLETED: _complete,
            OrderAction.UPDATED: _update,
            OrderAction.REFUNDED: _refund,
            OrderAction.REFUND_WITHDRAWN: _withdraw_refund,
            OrderAction.CANCELLED: _cancel,
        }
    )
)
