"""The effects of orders and of what changes them, including a decline of revenue."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects.contact import last_contact, record_activity
from services.lifecycle.domain.effects.effect import NO_CAUSES, Effect
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import (
    CONTACT,
    NEWSLETTER,
    REVENUE,
    SILENCE,
    Customer,
)
from services.lifecycle.domain.state.happenings import EventKind, Happening
from shared.orders.book import OrderBook
from shared.orders.facts import OrderFact
from shared.orders.order import Order

QUARTER: Final = timedelta(days=90)
TWO_QUARTERS: Final = 2 * QUARTER
LEAST_EARLIER_SALES: Final = 3
"""With fewer orders in the earlier quarter, revenue is not compared with it."""
CLEARED_BY_A_PURCHASE: Final = frozenset({SILENCE, REVENUE, CONTACT, NEWSLETTER})
"""The causes that any purchase clears."""

_ORDER: Final = EventKind.ORDER
_ORDER_CHANGED: Final = EventKind.ORDER_CHANGED
_UNDONE: Final = EventKind.UNDONE
_is_cleared: Final = CLEARED_BY_A_PURCHASE.__contains__


def change_order(
    customer: Customer, happening: Happening, policy: Policy, orders: OrderBook | None
) -> Effect:
    """Change the order that an event is about, and the sums and dates that it changes."""
    fact = happening.details
    assert isinstance(fact, OrderFact)  # noqa: S101
    assert orders is not None  # noqa: S101  (without them no event about an order is folded)
    change = orders.apply(fact, free_counts=policy.free_orders_count)
    before = change.before
    after = change.after
    if after is None or after is before:
        return Effect(replace(customer, last_event=happening.key), EventKind.NO_EFFECT)
    causes = _revenue_decline(happening, policy, orders)
    if before is None and after.stands:
        bought = _with_purchase(customer, happening, *_sums(customer, None, after))
        return Effect(bought, _ORDER, causes, _is_cleared, happening.time)
    if before is None or not (before.stands or after.stands):
        return _change_no_purchase(customer, happening, before, after)
    revenue, margin = _sums(customer, before, after)
    customer = replace(customer, last_event=happening.key, revenue=revenue, margin=margin)
    if not after.stands:
        return Effect(_without_purchase(customer, before, orders), _UNDONE, causes)
    if not before.stands:
        return replace(_stand(customer, happening, after, orders), new_causes=causes)
    kind = _UNDONE if happening.kind is _UNDONE else _ORDER_CHANGED
    return Effect(customer, kind, causes)


def _change_no_purchase(
    customer: Customer, happening: Happening, before: Order | None, after: Order
) -> Effect:
    """Take a replacement as activity; an order that was undone before it came is nothing."""
    seen = replace(customer, last_event=happening.key)
    if before is None and not after.is_purchase:
        return record_activity(Effect(seen, EventKind.ACTIVE), happening)
    return Effect(seen, EventKind.NO_EFFECT)


def _stand(customer: Customer, happening: Happening, order: Order, orders: OrderBook) -> Effect:
    """Add a purchase: one that is made now, or one that stands again with the time it had."""
    if happening.kind is _ORDER and order.at == happening.time:
        bought = _with_purchase(customer, happening, customer.revenue, customer.margin)
        return Effect(bought, _ORDER, NO_CAUSES, _is_cleared, order.at)
    restored = _with_restored(customer, happening, order, orders)
    return Effect(restored, EventKind.RESTORED, NO_CAUSES, _is_cleared, order.at)


def _with_purchase(
    customer: Customer, happening: Happening, revenue: dict[str, int], margin: dict[str, int]
) -> Customer:
    """Return the customer with one more order, made now; the sums count it already."""
    time = happening.time
    last_at = customer.last_order_at
    first_at = customer.first_order_at
    first_historical = customer.first_order_historical
    if first_at is None:
        first_at = time
        first_historical = happening.historical
    is_new_day = last_at is None or last_at.date() != time.date()
    return replace(
        customer,
        last_event=happening.key,
        purchase_days=customer.purchase_days + is_new_day,
        orders=customer.orders + 1,
        revenue=revenue,
        margin=margin,
        first_order_at=first_at,
        first_order_historical=first_historical,
        last_order_at=time,
        orders_since_return=customer.orders_since_return + 1,
        contact_at=last_contact(customer, happening),
    )


def _with_restored(
    customer: Customer, happening: Happening, order: Order, orders: OrderBook
) -> Customer:
    """Return the customer with a purchase that was undone and stands again."""
    at = order.at
    last_at = customer.last_order_at
    first_at = customer.first_order_at
    first_historical = customer.first_order_historical
    if first_at is None or at < first_at:
        first_at = at
        first_historical = order.is_historical
    is_only_of_day = orders.orders.standing_on(at.date()) == 1
    return replace(
        customer,
        last_event=happening.key,
        purchase_days=customer.purchase_days + is_only_of_day,
        orders=customer.orders + 1,
        first_order_at=first_at,
        first_order_historical=first_historical,
        last_order_at=at if last_at is None else max(last_at, at),
        orders_since_return=customer.orders_since_return + _is_of_episode(customer, order),
        contact_at=last_contact(customer, happening),
    )


def _without_purchase(customer: Customer, order: Order, orders: OrderBook) -> Customer:
    """Return the customer without an order; silence is measured from the last one that stands."""
    standing = orders.orders
    if customer.orders == 1:
        first = None
        last = None
        is_day_left = False
    else:
        is_day_left = standing.standing_on(order.at.date()) > 0
        last = standing.last_standing()
        is_first = order.at == customer.first_order_at
        first = standing.first_standing() if is_first else None
    since_return = customer.orders_since_return - _is_of_episode(customer, order)
    undone = replace(
        customer,
        has_undone=True,
        purchase_days=customer.purchase_days - (not is_day_left),
        orders=customer.orders - 1,
        last_order_at=last and last.at,
        orders_since_return=max(since_return, 0),  # 0 already if the return itself was undone
    )
    if last is not None and first is None:
        return undone
    return replace(
        undone,
        first_order_at=first and first.at,
        first_order_historical=first is not None and first.is_historical,
    )


def _is_of_episode(customer: Customer, order: Order) -> bool:
    """Was it bought since the last return, if there was one?"""
    return customer.returned is None or order.at >= customer.returned.at


def _sums(
    customer: Customer, before: Order | None, after: Order
) -> tuple[dict[str, int], dict[str, int]]:
    """Return revenue and margin of a customer with an order as it is `after` an event.

    `before` is the order as the sums have it so far, or None if it was not known.
    """
    revenue = customer.revenue.copy()
    margin = customer.margin
    if before is not None:
        revenue[before.currency] = revenue.get(before.currency, 0) - before.left
        if before.margin_left is not None:
            margin = _with_amount(margin, before.currency, -before.margin_left)
    revenue[after.currency] = revenue.get(after.currency, 0) + after.left
    if after.margin_left is not None:
        margin = _with_amount(margin, after.currency, after.margin_left)
    return revenue, margin


def _with_amount(by_currency: dict[str, int], currency: str, amount: int) -> dict[str, int]:
    amounts = by_currency.copy()
    amounts[currency] = amounts.get(currency, 0) + amount
    return amounts


def _revenue_decline(happening: Happening, policy: Policy, orders: OrderBook) -> frozenset[str]:
    """Return REVENUE as a cause if the revenue of any currency has declined, or no cause.

    Only orders, refunds and cancellations are a reason to look.
    """
    share = policy.revenue_decline_share
    if not share or happening.kind is _ORDER_CHANGED:
        return NO_CAUSES
    now = happening.time
    bought = orders.orders.recent(0, now - TWO_QUARTERS)
    recent = [order for order in bought if order.stands]
    for currency in {order.currency for order in recent}:
        if _has_declined([o for o in recent if o.currency == currency], now - QUARTER, share):
            return frozenset({REVENUE})
    return NO_CAUSES


def _has_declined(orders: Sequence[Order], middle: datetime, share: float) -> bool:
    """Is revenue after the middle of two quarters below this share of revenue before it?"""
    earlier = [order.left for order in orders if order.at <= middle]
    late = [order.left for order in orders if order.at > middle]
    return len(earlier) >= LEAST_EARLIER_SALES and sum(late) < share * sum(earlier)
