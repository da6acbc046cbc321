"""Events about orders as referral's domain takes them, in the fewest words a test needs."""

from collections.abc import Iterable
from typing import Any

from services.referral.domain.orders import OrderEvent
from services.referral.domain.rewards import Return
from shared.orders.facts import OrderAction, OrderDetails, OrderFact, Price
from tests.support.builders import day


def said(
    action: OrderAction,
    at: float,
    order_id: str,
    amount: int | None = None,
    *,
    currency: str = "EUR",
    store: str | None = None,
    refund_id: str | None = None,
    replacement_of: str | None = None,
    days: int | None = None,
    source: str = "/shop",
    origin: str = "bob",
    historical: bool = False,
) -> OrderEvent:
    """An event about an order of bob's; its id is made of action, order and time."""
    price = None if amount is None else Price(amount, currency)
    is_total = action in (OrderAction.COMPLETED, OrderAction.UPDATED)
    details = OrderDetails(
        order_id,
        store=store,
        total=price if is_total else None,
        amount=None if is_total else price,
        refund_id=refund_id,
        replacement_of=replacement_of,
    )
    id = f"{action} {order_id} {at}"
    fact = OrderFact(action, day(at), source, id, details, origin=origin, historical=historical)
    return OrderEvent(fact, days)


def completed(at: float, order_id: str, amount: int = 5000, **more: Any) -> OrderEvent:
    """An order."""
    return said(OrderAction.COMPLETED, at, order_id, amount, **more)


def updated(at: float, order_id: str, amount: int, **more: Any) -> OrderEvent:
    """A change of its total."""
    return said(OrderAction.UPDATED, at, order_id, amount, **more)


def refunded(at: float, order_id: str, amount: int | None = None, **more: Any) -> OrderEvent:
    """A refund of an amount, or of all that is left."""
    return said(OrderAction.REFUNDED, at, order_id, amount, **more)


def withdrawn(at: float, order_id: str, amount: int | None = None, **more: Any) -> OrderEvent:
    """A refund taken back."""
    return said(OrderAction.REFUND_WITHDRAWN, at, order_id, amount, **more)


def cancelled(at: float, order_id: str, **more: Any) -> OrderEvent:
    """A cancellation."""
    return said(OrderAction.CANCELLED, at, order_id, **more)


def returns(refunds: Iterable[tuple[float, int | None]], total: int) -> tuple[Return, ...]:
    """What refunds (day, amount; None: all) leave gone of a total, one after the other."""
    gone = 0
    found = []
    for number, (at, amount) in enumerate(refunds):
        gone = total if amount is None else min(total, gone + amount)
        found.append(Return(day(at), "/shop", f"r-{number}", gone, total))
    return tuple(found)
