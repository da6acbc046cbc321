"""From records to happenings: the few fields of an event that the rules look at."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Final, TypeVar
from zlib import crc32

import msgspec

from services.lifecycle.domain.state.happenings import (
    CUSTOMER_ACTIONS,
    AccountDetails,
    ComplaintDetails,
    Content,
    ContractTerms,
    EventKind,
    Happening,
    MergeTarget,
    Order,
    OrderUndoing,
    Price,
    Referral,
    Score,
)
from shared.errors import Poison
from shared.events.envelope import Envelope
from shared.kafka.topics import CUSTOMER_EVENTS

SOURCE: Final = "/lifecycle"
"""Who sends what this service itself publishes."""

RELEASED: Final = "customer.released"
"""Internal: an operator asks that what waits in the dead letters for a parked customer be folded."""

ACTIVATED: Final = "product.activated"

KINDS: Final = MappingProxyType(
    {
        "order.completed": EventKind.ORDER,
        "order.refunded": EventKind.UNDONE,
        "order.cancelled": EventKind.UNDONE,
        "contract.concluded": EventKind.CONCLUDED,
        "contract.renewed": EventKind.RENEWED,
        "contract.cancelled": EventKind.CANCELLED,
        "customer.closed": EventKind.CLOSED,
        "referral.succeeded": EventKind.RECOMMENDED,
        "referral.annulled": EventKind.ANNULLED,
        "feedback.submitted": EventKind.SCORED,
        "complaint.opened": EventKind.COMPLAINED,
        "complaint.answered": EventKind.ANSWERED,
        "complaint.resolved": EventKind.RESOLVED,
        "newsletter.subscribed": EventKind.SUBSCRIBED,
        "newsletter.unsubscribed": EventKind.UNSUBSCRIBED,
        "customer.signed_up": EventKind.SIGNED_UP,
        ACTIVATED: EventKind.ACTIVATED,
        **dict.fromkeys(("session.signed_in", "page.viewed", "message.clicked"), EventKind.SEEN),
        **dict.fromkeys(("message.opened", "product.used", "inquiry.opened"), EventKind.ACTIVE),
        **dict.fromkeys(
            ("delivery.delayed", "inquiry.answered", "contact.made"), EventKind.NO_EFFECT
        ),
        "customer.updated": EventKind.UPDATED,
        "customer.merged": EventKind.MERGED,
        **dict.fromkeys(
            ("customer.erasure_requested", "consent.granted", "consent.withdrawn"),
            EventKind.ADMINISTRATIVE,
        ),
    }
)
"""What each event of the catalogue means to the rules."""
ACT_TYPES: Final = [name for name, kind in KINDS.items() if kind in CUSTOMER_ACTIONS]
"""Events in which the customer has acted, bought, clicked or paid."""

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Months = Annotated[int, msgspec.Meta(ge=1, le=1200)]


class _Undoing(msgspec.Struct, frozen=True, gc=False):
    order_id: str
    amount: Price | None = None


class _Agreement(msgspec.Struct, frozen=True, gc=False):
    contract_id: _Name
    term_months: _Months | None = None
    renews_at: _Instant | None = None
    effective_at: _Instant | None = None


class _Feedback(msgspec.Struct, frozen=True, gc=False):
    kind: Annotated[str, msgspec.Meta(pattern="^(nps|csat|review)$")]
    score: Annotated[int, msgspec.Meta(ge=0, le=10)]
    public: bool | None = None


class _Complaint(msgspec.Struct, frozen=True, gc=False):
    complaint_id: _Name
    severity: Annotated[int, msgspec.Meta(ge=1, le=3)] = 2
    satisfied: bool | None = None


class _Opened(_Complaint, frozen=True, gc=False):
    topic: _Name | None = None


class _Outcome(msgspec.Struct, frozen=True, gc=False):
    referee: str | None = None
    order_id: str | None = None


class _Details(msgspec.Struct, frozen=True, gc=False):
    account: Annotated[str, msgspec.Meta(pattern="^b2[cb]$")] | None = None


class _Merger(msgspec.Struct, frozen=True, gc=False):
    into: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


M = TypeVar("M")


def _by(model: type[M], make: Callable[[M], Content]) -> Callable[[bytes | msgspec.Raw], Content]:
    decode = msgspec.json.Decoder(model).decode
    return lambda data: make(decode(data))


def _grievance(complaint: _Complaint) -> ComplaintDetails:
    return ComplaintDetails(complaint.complaint_id, complaint.severity, bool(complaint.satisfied))


_agreement: Final = _by(
    _Agreement,
    lambda a: ContractTerms(a.contract_id, a.term_months, _utc(a.renews_at), _utc(a.effective_at)),
)
_details: Final = _by(_Details, lambda d: AccountDetails(d.account))
_recommendation: Final = _by(_Outcome, lambda o: Referral(f"{o.referee or ''} {o.order_id or ''}"))

CONTENTS: Final[Mapping[EventKind, Callable[[bytes | msgspec.Raw], Content]]] = MappingProxyType(
    {
        EventKind.CONCLUDED: _agreement,
        EventKind.RENEWED: _agreement,
        EventKind.CANCELLED: _agreement,
        EventKind.SCORED: _by(_Feedback, lambda f: Score(f.kind, f.score, bool(f.public))),
        EventKind.COMPLAINED: _by(_Opened, _grievance),
        EventKind.ANSWERED: _by(_Complaint, _grievance),
        EventKind.RESOLVED: _by(_Complaint, _grievance),
        EventKind.RECOMMENDED: _recommendation,
        EventKind.ANNULLED: _recommendation,
        EventKind.SIGNED_UP: _details,
        EventKind.UPDATED: _details,
        EventKind.MERGED: _by(_Merger, lambda m: MergeTarget(m.into)),
    }
)
"""How the content of an event is read; kinds that are not here have none that a rule looks at."""

_ORDER: Final = EventKind.ORDER
_UNDONE: Final = EventKind.UNDONE
_order: Final = msgspec.json.Decoder(Order).decode
_undoing: Final = msgspec.json.Decoder(_Undoing).decode


def read(topic: str, event: Envelope) -> Happening | str | None:
    """The event as the fold sees it, RELEASED for an operator's request, None for what is not lifecycle's.

    Raises Poison("unknown_type") or Poison("invalid_data").
    """
    kind = KINDS.get(event.type)
    if kind is None:
        return _without_kind(topic, event)
    content: Content | None = None
    order_key = None
    try:
        if kind is _ORDER:
            content = _order(event.data)
            order_key = crc32(content.order_id.encode())
        elif kind is _UNDONE:
            content = _undone(event.data)
            order_key = crc32(content.order_id.encode())
        elif kind in CONTENTS:
            content = CONTENTS[kind](event.data)
    except (msgspec.MsgspecError, OverflowError) as error:
        raise Poison("invalid_data", f"{event.type}: {error}") from error
    return Happening(event.time, event.source, event.id, kind, content, event.historical, order_key)


def _undone(data: msgspec.Raw) -> OrderUndoing:
    said = _undoing(data)
    return OrderUndoing(
        said.order_id, *((said.amount.amount, said.amount.currency) if said.amount else ())
    )


def _utc(instant: datetime | None) -> datetime | None:
    return instant and instant.astimezone(UTC)


def _without_kind(topic: str, event: Envelope) -> str | None:
    if event.type == RELEASED:
        return RELEASED
    if topic == CUSTOMER_EVENTS:
        raise Poison("unknown_type", f"{event.type} is not in the catalogue")
    return None
