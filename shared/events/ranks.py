"""The order of events that happened at one instant: causes come before effects."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_IN_ORDER: Final[tuple[tuple[str, ...], ...]] = (
    (
        "customer.signed_up",
        "consent.granted",
        "checkout.started",
    ),
    (
        "order.completed",
        "contract.concluded",
        "complaint.opened",
        "inquiry.opened",
        "newsletter.subscribed",
        "message.sent",
        "referral.succeeded",
    ),
    (
        "complaint.answered",
        "inquiry.answered",
        "feedback.submitted",
        "session.signed_in",
        "page.viewed",
        "product.activated",
        "product.used",
        "engagement.recorded",
        "message.delivered",
        "message.opened",
        "message.clicked",
        "contact.made",
        "delivery.delayed",
    ),
    (
        "order.updated",
        "contract.renewed",
        "customer.updated",
        "feedback.answered",
    ),
    (
        "order.refunded",
        "order.cancelled",
        "contract.cancelled",
        "complaint.resolved",
        "newsletter.unsubscribed",
        "consent.withdrawn",
        "message.bounced",
        "message.complained",
        "referral.annulled",
        "customer.closed",
        "customer.erasure_requested",
    ),
    ("order.refund_withdrawn",),
    ("customer.merged",),
    ("customer.unmerged",),
)
"""What begins; what answers or uses it; what changes it; what ends it, and so on.

An ending comes after a beginning of the same instant, so that it is the ending that holds.
"""

RANKS: Final[Mapping[str, int]] = MappingProxyType(
    {type: rank for rank, types in enumerate(_IN_ORDER) for type in types}
)
"""The rank of each type of event that has a subject."""


def rank_of(type: str) -> int:
    """Return the rank of a type of event: events are taken by (time, rank, source, id).

    Raises KeyError for what is not an event of a customer.
    """
    return RANKS[type]
