"""From records to happenings: the few fields of an event that the rules look at."""

from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from services.lifecycle.domain.customer import Happening, Kind
from shared.errors import Poison
from shared.events.envelope import Envelope
from shared.events.transitions import Money, OrderRef
from shared.topics import CUSTOMER_EVENTS

RELEASED: Final = "customer.released"
"""Internal: an operator asks that what waits in the dead letters for a parked customer be folded."""

KINDS: Final = MappingProxyType(
    {
        "order.completed": Kind.ORDER,
        "customer.closed": Kind.CLOSED,
        "referral.succeeded": Kind.RECOMMENDED,
        "referral.annulled": Kind.NOTICE,
        "customer.merged": Kind.NOTICE,
        "customer.erasure_requested": Kind.NOTICE,
        "consent.granted": Kind.NOTICE,
        "consent.withdrawn": Kind.NOTICE,
        **dict.fromkeys(
            (
                "customer.signed_up", "customer.updated", "session.signed_in", "page.viewed", "message.opened",
                "message.clicked", "product.activated", "product.used", "order.refunded", "order.cancelled",
                "delivery.delayed", "contract.concluded", "contract.renewed", "contract.cancelled",
                "feedback.submitted", "complaint.opened", "complaint.answered", "complaint.resolved",
                "inquiry.opened", "inquiry.answered", "newsletter.subscribed", "newsletter.unsubscribed",
                "contact.made",
            ),
            Kind.CONTACT,
        ),
    }
)  # fmt: skip
"""What each event of the catalogue means to the rules."""


class _Money(msgspec.Struct, frozen=True, gc=False):
    amount: Annotated[int, msgspec.Meta(ge=0)]
    currency: str


class _Order(msgspec.Struct, frozen=True, gc=False):
    order_id: str
    total: _Money
    margin: _Money | None = None
    coupon: str | None = None


_order: Final = msgspec.json.Decoder(_Order)


def read(topic: str, event: Envelope) -> Happening | str | None:
    """The event as the fold sees it, RELEASED for an operator's request, None for what is not lifecycle's.

    Raises Poison("unknown_type") or Poison("invalid_data").
    """
    kind = KINDS.get(event.type)
    if kind is None:
        return _without_kind(topic, event)
    if kind is not Kind.ORDER:
        return Happening(event.time, event.source, event.id, kind, historical=event.historical)
    try:
        order = _order.decode(event.data)
    except msgspec.MsgspecError as error:
        raise Poison("invalid_data", f"{event.type}: {error}") from error
    ref = OrderRef(order.order_id, Money(order.total.amount, order.total.currency), order.coupon)
    margin = order.margin.amount if order.margin and order.margin.currency == ref.total.currency else None
    return Happening(event.time, event.source, event.id, kind, ref, margin, event.historical)


def _without_kind(topic: str, event: Envelope) -> str | None:
    if event.type == RELEASED:
        return RELEASED
    if topic == CUSTOMER_EVENTS:
        raise Poison("unknown_type", f"{event.type} is not in the catalogue")
    return None
