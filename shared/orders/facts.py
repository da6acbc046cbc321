"""What an event says of an order."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from shared.events.ranks import rank_of

LARGEST_AMOUNT: Final = 2**63 - 1
"""Minor units that PostgreSQL can store."""


Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class OrderAction(StrEnum):
    """The types of events that are about orders."""

    COMPLETED = "order.completed"
    UPDATED = "order.updated"
    REFUNDED = "order.refunded"
    REFUND_WITHDRAWN = "order.refund_withdrawn"
    CANCELLED = "order.cancelled"


ORDER_TYPES: Final = frozenset(OrderAction)


class Price(msgspec.Struct, frozen=True, gc=False):
    """Minor units of a currency, never negative."""

    amount: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_AMOUNT)]
    currency: str


class Margin(msgspec.Struct, frozen=True, gc=False):
    """Minor units of a currency; negative where an order costs more than it brings."""

    amount: Annotated[int, msgspec.Meta(ge=-LARGEST_AMOUNT, le=LARGEST_AMOUNT)]
    currency: str


class OrderDetails(msgspec.Struct, frozen=True, gc=False):
    """The `data` of an event about an order, as far as it says what the order is.

    `total` and `margin` are of completed and updated orders. `amount` is what was refunded (None:
    all that is left), or what of it is withdrawn. A margin in another currency than the total's
    does not count. An order with `replacement_of` is activity, not a purchase.
    """

    order_id: Name
    store: Name | None = None
    total: Price | None = None
    margin: Margin | None = None
    amount: Price | None = None
    refund_id: Name | None = None
    replacement_of: str | None = None
    coupon: str | None = None


class OrderFact(msgspec.Struct, frozen=True, gc=False):
    """One event about an order. `origin` is the customer it was sent for, before any merge."""

    action: OrderAction
    time: datetime
    source: str
    id: str
    details: OrderDetails
    origin: str = ""
    historical: bool = False

    @property
    def key(self) -> tuple[datetime, int, str, str]:
        """Where the event stands in the customer's life: time, rank, source, id."""
        return self.time, rank_of(self.action), self.source, self.id


decode_details: Final = msgspec.json.Decoder(OrderDetails).decode
"""Decode what an event says of an order, whatever its action. Raises msgspec.ValidationError."""


def decode_order(action: OrderAction, data: bytes | msgspec.Raw) -> OrderDetails:
    """Decode the data of an event about an order. Raises msgspec.ValidationError."""
    details = decode_details(data)
    if action is _COMPLETED and details.total is None:
        raise msgspec.ValidationError("a completed order has a `total`")
    if action is _WITHDRAWN and details.refund_id is None and details.amount is None:
        raise msgspec.ValidationError("a withdrawal names a `refund_id` or an `amount`")
    return details


_COMPLETED: Final = OrderAction.COMPLETED
_WITHDRAWN: Final = OrderAction.REFUND_WITHDRAWN
