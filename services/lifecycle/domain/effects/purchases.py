"""The effects of orders, refunds and cancellations, including a decline of revenue."""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects.contact import last_contact
from services.lifecycle.domain.effects.effect import NO_CAUSES, Effect
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import (
    BEGINNING,
    CONTACT,
    NEWSLETTER,
    REVENUE,
    SILENCE,
    Customer,
    Sale,
)
from services.lifecycle.domain.state.happenings import EventKind, Happening, Order, OrderUndoing
from services.lifecycle.domain.state.orders import OrderAmounts, Orders, full_amounts

QUARTER: Final = timedelta(days=90)
LEAST_EARLIER_SALES: Final = 3
"""With fewer orders in the earlier quarter, revenue is not compared with it."""
CLEARED_BY_A_PURCHASE: Final = frozenset({SILENCE, REVENUE, CONTACT, NEWSLETTER})
"""The causes that any purchase clears."""

_ORDER: Final = EventKind.ORDER
_is_cleared: Final = CLEARED_BY_A_PURCHASE.__contains__


def complete_order(
    customer: Customer, happening: Happening, policy: Policy, orders: Orders | None
) -> Effect:
    """Add an order; it counts once, even if several events with different ids report it."""
    order = happening.details
    assert isinstance(order, Order)  # noqa: S101
    amounts = orders.place(happening, order) if orders else full_amounts(order)
    if amounts is None:  # known already, by an event with another id
        return Effect(replace(customer, last_event=happening.key), EventKind.NO_EFFECT)
    time = happening.time
    if amounts.all_undone:  # cancelled before: no purchase, but silence is measured from it
        ordered = replace(customer, last_event=happening.key, last_order_at=time)
        return Effect(ordered, EventKind.NO_EFFECT)
    bought = _with_purchase(customer, happening, amounts)
    if not (policy.revenue_decline_share or policy.keeps_sales):
        return Effect(bought, _ORDER, NO_CAUSES, _is_cleared)
    sale = Sale(order.order_id, time, amounts.currency, amounts.amount)
    bought = replace(bought, sales=(*_recent_sales(bought, time), sale))
    return Effect(bought, _ORDER, _revenue_decline(bought, time, policy), _is_cleared)


def _with_purchase(customer: Customer, happening: Happening, amounts: OrderAmounts) -> Customer:
    """Return the customer with one more order."""
    time = happening.time
    currency = amounts.currency
    bought_at = customer.bought_at
    margin = customer.margin
    if amounts.margin is not None:
        margin = _with_amount(margin, currency, amounts.margin)
    first_at = customer.first_order_at
    first_historical = customer.first_order_historical
    if first_at is None:
        first_at = time
        first_historical = happening.historical
    is_new_day = bought_at is None or bought_at.date() != time.date()
    return replace(
        customer,
        last_event=happening.key,
        purchase_days=customer.purchase_days + is_new_day,
        bought_at=time,
        orders=customer.orders + 1,
        revenue=_with_amount(customer.revenue, currency, amounts.amount),
        margin=margin,
        first_order_at=first_at,
        first_order_historical=first_historical,
        last_order_at=time,
        orders_since_return=customer.orders_since_return + 1,
        contact_at=last_contact(customer, happening),
    )


def undo_order(
    customer: Customer, happening: Happening, policy: Policy, orders: Orders | None
) -> Effect:
    """Subtract what was undone from the sums, and an order wholly undone from the counts."""
    undoing = happening.details
    assert isinstance(undoing, OrderUndoing)  # noqa: S101
    amounts = orders.undo(undoing) if orders else None
    if amounts is None:
        return Effect(customer, EventKind.NO_EFFECT)
    left = _without_amounts(customer, undoing.order_id, amounts)
    if amounts.all_undone:
        left = _without_order(left, amounts)
    return Effect(left, EventKind.UNDONE, _revenue_decline(left, happening.time, policy))


def _without_amounts(customer: Customer, order_id: str, amounts: OrderAmounts) -> Customer:
    margin = customer.margin
    if amounts.margin is not None:
        margin = _with_amount(margin, amounts.currency, -amounts.margin)
    return replace(
        customer,
        revenue=_with_amount(customer.revenue, amounts.currency, -amounts.amount),
        margin=margin,
        sales=tuple(_sales_without(customer.sales, order_id, amounts)),
    )


def _without_order(customer: Customer, amounts: OrderAmounts) -> Customer:
    placed = amounts.key or BEGINNING
    is_of_episode = customer.returned is None or placed >= customer.returned.key
    since_return = customer.orders_since_return - is_of_episode
    return replace(
        customer,
        orders=customer.orders - 1,
        orders_since_return=max(since_return, 0),  # 0 already if the return itself was undone
    )


def _with_amount(by_currency: dict[str, int], currency: str, amount: int) -> dict[str, int]:
    amounts = by_currency.copy()
    amounts[currency] = amounts.get(currency, 0) + amount
    return amounts


def _sales_without(sales: tuple[Sale, ...], order_id: str, amounts: OrderAmounts) -> list[Sale]:
    """Return the sales without these amounts of an order."""
    left: list[Sale] = []
    for sale in sales:
        if sale.order_id != order_id:
            left.append(sale)
        elif not amounts.all_undone:
            left.append(replace(sale, amount=sale.amount - amounts.amount))
    return left


def _recent_sales(customer: Customer, now: datetime) -> list[Sale]:
    """Return the sales of the last two quarters."""
    return [sale for sale in customer.sales if sale.time > now - 2 * QUARTER]


def _revenue_decline(customer: Customer, now: datetime, policy: Policy) -> frozenset[str]:
    """Return REVENUE as a cause if the revenue of any currency has declined, or no cause."""
    share = policy.revenue_decline_share
    if not share:
        return NO_CAUSES
    recent = _recent_sales(customer, now)
    for currency in {sale.currency for sale in recent}:
        sales = [sale for sale in recent if sale.currency == currency]
        if _has_declined(sales, now, share):
            return frozenset({REVENUE})
    return NO_CAUSES


def _has_declined(sales: list[Sale], now: datetime, share: float) -> bool:
    """Is revenue of (now - 90 d, now] below this share of revenue of the 90 days before?"""
    middle = now - QUARTER
    earlier = [sale.amount for sale in sales if sale.time <= middle]
    late = [sale.amount for sale in sales if sale.time > middle]
    return len(earlier) >= LEAST_EARLIER_SALES and sum(late) < share * sum(earlier)
