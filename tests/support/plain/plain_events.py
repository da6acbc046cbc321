"""Events as the plain fold takes them: in the order of (time, rank, source, id)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tests.support.customer_events import RawEvent

RANKS: Final = (
    ("customer.signed_up", "consent.granted", "checkout.started"),
    (
        "order.completed",
        "contract.concluded",
        "complaint.opened",
        "inquiry.opened",
        "newsletter.subscribed",
        "message.sent",
        "referral.succeeded",
    ),
    (),
    ("order.updated", "contract.renewed", "customer.updated", "feedback.answered"),
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
"""Cause before effect; what is not named here (answers, feedback, activity) has rank 2."""


@dataclass(frozen=True)
class PlainEvent:
    """One event. The `subject` is the original one if a merge brought the event over.

    `free_counts` says whether an order of 0 was a purchase by the policy then in force.
    """

    type: str
    source: str
    id: str
    subject: str
    time: datetime
    data: dict[str, Any]
    free_counts: bool = True

    @property
    def key(self) -> tuple[datetime, int, str, str, str]:
        """The place among the customer's events."""
        return self.time, rank(self.type), self.source, self.id, self.subject

    def instant(self, name: str) -> datetime | None:
        """Return an instant of the data, if it is there."""
        return datetime.fromisoformat(self.data[name]) if self.data.get(name) else None


def rank(type: str) -> int:
    """Return the rank of a type among the events of one instant."""
    return next((number for number, types in enumerate(RANKS) if type in types), 2)


MERGES: Final = ("customer.merged", "customer.unmerged")


def in_order(raws: Iterable[RawEvent]) -> list[PlainEvent]:
    """Return the events of a life in their order, each once.

    What is only a test, or says where events belong, is none.
    """
    plain = [_plain(raw) for raw in raws if raw["type"] not in MERGES]
    events = {event.key: event for event in plain if not event.data.get("test")}
    return [events[key] for key in sorted(events)]


def _plain(raw: RawEvent) -> PlainEvent:
    subject = raw.get("mergedfrom") or raw["subject"]
    time = datetime.fromisoformat(raw["time"])
    return PlainEvent(raw["type"], raw["source"], raw["id"], subject, time, raw["data"])
