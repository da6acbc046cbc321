"""Short ways to write events about orders: one letter for each action, minor units of EUR."""

from datetime import UTC, datetime, timedelta
from typing import Final

from shared.orders.facts import Margin, OrderAction, OrderDetails, OrderFact, Price

FIRST_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
SHOP: Final = "/shop"


def order_fact(
    action: OrderAction,
    amount: int | None = None,
    *,
    id: str = "",
    order: str = "1",
    day: float = 0,
    source: str = SHOP,
    origin: str = "",
    store: str | None = None,
    currency: str = "EUR",
    margin: int | None = None,
    refund: str | None = None,
    replaces: str | None = None,
) -> OrderFact:
    """Make an event about an order, `day` days after FIRST_DAY."""
    price = None if amount is None else Price(amount, currency)
    is_total = action in (OrderAction.COMPLETED, OrderAction.UPDATED)
    details = OrderDetails(
        order,
        store,
        total=price if is_total else None,
        margin=None if margin is None else Margin(margin, currency),
        amount=None if is_total else price,
        refund_id=refund,
        replacement_of=replaces,
    )
    time = FIRST_DAY + timedelta(days=day)
    return OrderFact(action, time, source, id or f"e{day}", details, origin)
