"""What an event says of an order."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from shared.events.envelope import Envelope
from shared.events.payload import Amount, Currency, Name, SignedAmount, payload_decoder
from shared.events.ranks import rank_of


class OrderAction(StrEnum):
    """The types of events that are about orders."""

    COMPLETED = "order.completed"
    UPDATED = "order.updated"
    REFUNDED = "order.refunded"
    REFUND_WITHDRAWN = "order.refund_withdrawn"
    CANCELLED = "order.cancelled"


_ACTIONS: Final[Mapping[str, OrderAction]] = {str(action): action for action in OrderAction}
ORDER_TYPES: Final = _ACTIONS.keys()
"""The types of events that are about orders."""


class Price(msgspec.Struct, frozen=True, gc=False):
    """Minor units of a currency, never negative."""

    amount: Amount
    currency: Currency


class Margin(msgspec.Struct, frozen=True, gc=False):
    """Minor units of a currency; negative where an order costs more than it brings."""

    amount: SignedAmount
    currency: Currency


_Coupon = Annotated[str, msgspec.Meta(max_length=200)]


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
    replacement_of: Name | None = None
    coupon: _Coupon | None = None


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
    def key(self) -> tuple[datetime, int, str, str, str]:
        """Where the event stands in the customer's life: time, rank, source, id, origin."""
        return self.time, rank_of(self.action), self.source, self.id, self.origin


class _Completed(msgspec.Struct, frozen=True, gc=False):
    order_id: Name
    total: Price
    store: Name | None = None
    margin: Margin | None = None
    replacement_of: Name | None = None
    coupon: _Coupon | None = None


class _Updated(msgspec.Struct, frozen=True, gc=False):
    order_id: Name
    store: Name | None = None
    total: Price | None = None
    margin: Margin | None = None


class _Refund(msgspec.Struct, frozen=True, gc=False):
    order_id: Name
    store: Name | None = None
    amount: Price | None = None
    refund_id: Name | None = None


class _Cancelled(msgspec.Struct, frozen=True, gc=False):
    order_id: Name
    store: Name | None = None


_decode_any: Final = payload_decoder(OrderDetails)
_decode_completed: Final = payload_decoder(_Completed)
_decode_updated: Final = payload_decoder(_Updated)
_decode_refund: Final = payload_decoder(_Refund)
_decode_cancelled: Final = payload_decoder(_Cancelled)
decode_details: Final = msgspec.json.Decoder(OrderDetails).decode
"""Decode details that were stored as OrderDetails. Raises msgspec.ValidationError."""


def read_order(event: Envelope, origin: str) -> OrderFact:
    """Read an event about an order; `origin` as in OrderFact. Raises msgspec.ValidationError."""
    action = _ACTIONS[event.type]
    details = decode_order(action, event.data)
    return OrderFact(action, event.time, event.source, event.id, details, origin, event.historical)


def decode_order(action: OrderAction, data: bytes | str | msgspec.Raw) -> OrderDetails:
    """Decode the data of an event about an order. Raises msgspec.ValidationError.

    A field that its type does not have is the sender's own, even if another type has it: a
    cancellation may carry the `total` of the order in any form.
    """
    return _READERS[action](data)


def _read_completed(data: bytes | str | msgspec.Raw) -> OrderDetails:
    try:  # nearly always, and without a copy
        details = _decode_any(data)
    except msgspec.ValidationError:
        return _read_any_completed(data)
    if details.total is None or details.amount is not None or details.refund_id is not None:
        return _read_any_completed(data)
    return details


def _read_any_completed(data: bytes | str | msgspec.Raw) -> OrderDetails:
    order = _decode_completed(data)
    return OrderDetails(
        order.order_id,
        order.store,
        order.total,
        order.margin,
        replacement_of=order.replacement_of,
        coupon=order.coupon,
    )


def _read_updated(data: bytes | str | msgspec.Raw) -> OrderDetails:
    order = _decode_updated(data)
    return OrderDetails(order.order_id, order.store, order.total, order.margin)


def _read_refund(data: bytes | str | msgspec.Raw) -> OrderDetails:
    refund = _decode_refund(data)
    return OrderDetails(
        refund.order_id, refund.store, amount=refund.amount, refund_id=refund.refund_id
    )


def _read_withdrawal(data: bytes | str | msgspec.Raw) -> OrderDetails:
    details = _read_refund(data)
    if details.refund_id is None and details.amount is None:
        raise msgspec.ValidationError("a withdrawal names a `refund_id` or an `amount`")
    return details


def _read_cancelled(data: bytes | str | msgspec.Raw) -> OrderDetails:
    order = _decode_cancelled(data)
    return OrderDetails(order.order_id, order.store)


_READERS: Final[Mapping[OrderAction, Callable[[bytes | str | msgspec.Raw], OrderDetails]]] = (
    MappingProxyType(
        {
            OrderAction.COMPLETED: _read_completed,
            OrderAction.UPDATED: _read_updated,
            OrderAction.REFUNDED: _read_refund,
            OrderAction.REFUND_WITHDRAWN: _read_withdrawal,
            OrderAction.CANCELLED: _read_cancelled,
        }
    )
)
