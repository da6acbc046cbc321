"""What orders, their refunds and their cancellations add to what is known, the decline of revenue included."""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects.effect import NO_CAUSES, Effect, last_contact
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
from services.lifecycle.domain.state.orders import Orders, Part, fresh

_ORDER: Final = EventKind.ORDER
QUARTER: Final = timedelta(days=90)
FEWEST_SALES: Final = 3
"""Orders in the earlier quarter without which its revenue is not compared."""
ENDED_BY_A_PURCHASE: Final = frozenset({SILENCE, REVENUE, CONTACT, NEWSLETTER})
"""The causes that any purchase takes away."""


def _by_an_order(cause: str) -> bool:
    return cause in ENDED_BY_A_PURCHASE


def complete_order(
    customer: Customer, happening: Happening, policy: Policy, orders: Orders | None
) -> Effect:
    """An order counts once, however often and under whatever event ids it is told; the customer was heard of anyway."""
    order = happening.content
    assert isinstance(order, Order)  # noqa: S101
    part = orders.place(happening, order) if orders else fresh(order)
    if part is None:
        return Effect(
            replace(customer, last_event=happening.key), EventKind.NO_EFFECT
        )  # again, under another event id
    if (
        part.whole
    ):  # cancelled before it was completed: no purchase, but silence is measured from it
        return Effect(
            replace(customer, last_event=happening.key, last_order_at=happening.time),
            EventKind.NO_EFFECT,
        )
    first_at, historical = customer.first_order_at, customer.first_order_historical
    if first_at is None:
        first_at, historical = happening.time, happening.historical
    on_new_day = customer.bought_at is None or customer.bought_at.date() != happening.time.date()
    bought = replace(
        customer,
        last_event=happening.key,
        purchase_days=customer.purchase_days + on_new_day,
        bought_at=happening.time,
        orders=customer.orders + 1,
        revenue=_with_amount(customer.revenue, part.currency, part.amount),
        margin=customer.margin
        if part.margin is None
        else _with_amount(customer.margin, part.currency, part.margin),
        first_order_at=first_at,
        first_order_historical=historical,
        last_order_at=happening.time,
        orders_since_return=customer.orders_since_return + 1,
        contact_at=last_contact(customer, happening),
    )
    if not (policy.revenue_decline_share or policy.keeps_sales):
        return Effect(bought, _ORDER, NO_CAUSES, _by_an_order)
    sale = Sale(order.order_id, happening.time, part.currency, part.amount)
    bought = replace(bought, sales=(*_recent_sales(bought, happening.time), sale))
    return Effect(bought, _ORDER, _revenue_decline(bought, happening.time, policy), _by_an_order)


def undo_order(
    customer: Customer, happening: Happening, policy: Policy, orders: Orders | None
) -> Effect:
    """What is refunded or cancelled leaves the sums; an order of which nothing is left leaves the counts."""
    undoing = happening.content
    assert isinstance(undoing, OrderUndoing)  # noqa: S101
    part = orders.undo(undoing) if orders else None
    if part is None:
        return Effect(customer, EventKind.NO_EFFECT)
    left = replace(
        customer,
        revenue=_with_amount(customer.revenue, part.currency, -part.amount),
        margin=customer.margin
        if part.margin is None
        else _with_amount(customer.margin, part.currency, -part.margin),
        sales=tuple(_sales_without(customer.sales, undoing.order_id, part)),
    )
    if part.whole:
        of_episode = customer.returned is None or (part.key or BEGINNING) >= customer.returned.key
        since_return = max(
            customer.orders_since_return - of_episode, 0
        )  # 0 already if the return itself was undone
        left = replace(left, orders=left.orders - 1, orders_since_return=since_return)
    return Effect(left, EventKind.UNDONE, _revenue_decline(left, happening.time, policy))


def _with_amount(amounts: dict[str, int], currency: str, amount: int) -> dict[str, int]:
    left = amounts.copy()
    left[currency] = left.get(currency, 0) + amount
    return left


def _sales_without(sales: tuple[Sale, ...], order_id: str, part: Part) -> list[Sale]:
    reduced = (
        replace(s, amount=s.amount - part.amount) if s.order_id == order_id else s for s in sales
    )
    return [s for s in reduced if s.order_id != order_id or not part.whole]


def _recent_sales(customer: Customer, now: datetime) -> list[Sale]:
    return [sale for sale in customer.sales if sale.time > now - 2 * QUARTER]


def _revenue_decline(customer: Customer, now: datetime, policy: Policy) -> frozenset[str]:
    """Is the revenue of (now - 90 d, now] below the share of that of the 90 days before, in any currency?"""
    if not policy.revenue_decline_share:
        return NO_CAUSES
    recent = _recent_sales(customer, now)
    for currency in {sale.currency for sale in recent}:
        sales = [sale for sale in recent if sale.currency == currency]
        earlier = [sale.amount for sale in sales if sale.time <= now - QUARTER]
        late = sum(sale.amount for sale in sales if sale.time > now - QUARTER)
        if len(earlier) >= FEWEST_SALES and late < policy.revenue_decline_share * sum(earlier):
            return frozenset({REVENUE})
    return NO_CAUSES
