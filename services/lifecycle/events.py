"""Reads events into happenings, which have only the fields that the rules look at."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec

from services.lifecycle.domain.state.happenings import (
    CUSTOMER_ACTIONS,
    AccountDetails,
    ComplaintDetails,
    ContractTerms,
    Details,
    EventKind,
    Happening,
    MergeTarget,
    Referral,
    Score,
)
from services.lifecycle.domain.state.merges import Ending, Hop, Way
from shared.error_texts import describe
from shared.errors import Poison
from shared.events.envelope import Envelope, pack
from shared.events.payload import (
    CustomerName,
    Instant,
    MergeData,
    Name,
    Word,
    is_test,
    payload_decoder,
)
from shared.events.ranks import RANKS
from shared.events.scores import wrong_score
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.orders.book import order_hash
from shared.orders.facts import ORDER_TYPES, read_order

SOURCE: Final = "/lifecycle"
"""The source of the events that this service publishes."""

RELEASED: Final = "customer.released"
"""Internal: an operator asks to fold a parked customer's events from the dead letters."""

MERGE_ENDED: Final = "customer.merge_ended"
"""Internal: tells an id that events of another customer do not belong to it any more."""

CIRCLE_CHANGED: Final = "customer.circle_changed"
"""Internal: tells an id that a circle of merges in which it is, or was, has changed."""

MERGE_TYPES: Final = frozenset({"customer.merged", "customer.unmerged"})
"""The types of merges and unmerges."""

PRODUCT_ACTIVATED: Final = "product.activated"

EVENT_KINDS: Final = MappingProxyType(
    {
        "order.completed": EventKind.ORDER,
        "order.refunded": EventKind.UNDONE,
        "order.cancelled": EventKind.UNDONE,
        "order.updated": EventKind.ORDER_CHANGED,
        "order.refund_withdrawn": EventKind.ORDER_CHANGED,
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
        PRODUCT_ACTIVATED: EventKind.ACTIVATED,
        **dict.fromkeys(("session.signed_in", "page.viewed", "message.clicked"), EventKind.SEEN),
        **dict.fromkeys(
            (
                "message.opened",
                "product.used",
                "inquiry.opened",
                "engagement.recorded",
                "checkout.started",
            ),
            EventKind.ACTIVE,
        ),
        **dict.fromkeys(
            (
                "delivery.delayed",
                "inquiry.answered",
                "feedback.answered",
                "contact.made",
                "message.sent",
                "message.delivered",
                "message.bounced",
                "message.complained",
            ),
            EventKind.NO_EFFECT,
        ),
        "customer.updated": EventKind.UPDATED,
        "customer.merged": EventKind.MERGED,
        "customer.unmerged": EventKind.UNMERGED,
        **dict.fromkeys(
            (
                "customer.erasure_requested",
                "consent.granted",
                "consent.withdrawn",
            ),
            EventKind.ADMINISTRATIVE,
        ),
    }
)
"""What each event of the catalogue means to the rules."""
ACTION_TYPES: Final = [name for name, kind in EVENT_KINDS.items() if kind in CUSTOMER_ACTIONS]
"""Events in which a customer acts: buys, clicks, pays."""

_DEFAULT_SEVERITY: Final = 2
_Months = Annotated[int, msgspec.Meta(ge=1, le=1200)]


class _ConclusionData(msgspec.Struct, frozen=True, gc=False):
    contract_id: Name
    term_months: _Months | None = None
    renews_at: Instant | None = None


class _RenewalData(msgspec.Struct, frozen=True, gc=False):
    contract_id: Name
    term_months: _Months | None = None


class _NoticeData(msgspec.Struct, frozen=True, gc=False):
    contract_id: Name
    effective_at: Instant | None = None


class _FeedbackData(msgspec.Struct, frozen=True, gc=False):
    kind: Annotated[str, msgspec.Meta(pattern="^(nps|csat|review|exit)$")]
    score: float | None = None
    public: bool | None = None


class _ComplaintData(msgspec.Struct, frozen=True, gc=False):
    complaint_id: Name
    severity: Annotated[int, msgspec.Meta(ge=1, le=3)] | None = None
    topic: Word | None = None


class _AnswerData(msgspec.Struct, frozen=True, gc=False):
    complaint_id: Name


class _ResolutionData(msgspec.Struct, frozen=True, gc=False):
    complaint_id: Name
    satisfied: bool | None = None


class _ReferralData(msgspec.Struct, frozen=True, gc=False):
    referee: CustomerName | None = None
    order_id: Name | None = None
    claim_id: Name | None = None


class _AccountData(msgspec.Struct, frozen=True, gc=False):
    account: Annotated[str, msgspec.Meta(pattern="^b2[cb]$")] | None = None


class _EndingData(msgspec.Struct, frozen=True, gc=False):
    customer: CustomerName
    time: Instant
    unmerged: bool
    source: Name
    id: Name


def _conclusion(data: _ConclusionData) -> ContractTerms:
    return ContractTerms(data.contract_id, data.term_months, _utc(data.renews_at))


def _renewal(data: _RenewalData) -> ContractTerms:
    return ContractTerms(data.contract_id, data.term_months)


def _notice(data: _NoticeData) -> ContractTerms:
    return ContractTerms(data.contract_id, effective_at=_utc(data.effective_at))


def _score(data: _FeedbackData) -> Score | None:
    """None for an exit, which has no score."""
    problem = wrong_score(data.kind, data.score)
    if problem is not None:
        raise msgspec.ValidationError(problem)
    return None if data.score is None else Score(data.kind, data.score, bool(data.public))


def _complaint(data: _ComplaintData) -> ComplaintDetails:
    return ComplaintDetails(data.complaint_id, data.severity or _DEFAULT_SEVERITY)


def _answer(data: _AnswerData) -> ComplaintDetails:
    return ComplaintDetails(data.complaint_id)


def _resolution(data: _ResolutionData) -> ComplaintDetails:
    return ComplaintDetails(data.complaint_id, satisfied=bool(data.satisfied))


def _referral(data: _ReferralData) -> Referral:
    """By its claim: another order may take the place of the first one announced."""
    return Referral(data.claim_id or f"{data.referee or ''} {data.order_id or ''}")


def _account(data: _AccountData) -> AccountDetails:
    return AccountDetails(data.account)


def _merge_target(data: MergeData) -> MergeTarget:
    return MergeTarget(data.into)


def _utc(instant: datetime | None) -> datetime | None:
    return instant.astimezone(UTC) if instant else None


Data = TypeVar("Data")
_DetailsReader: TypeAlias = Callable[[bytes | msgspec.Raw], Details | None]


def _reader(model: type[Data], details: Callable[[Data], Details | None]) -> _DetailsReader:
    decode = payload_decoder(model)
    return lambda data: details(decode(data))


_read_referral: Final = _reader(_ReferralData, _referral)
_read_account: Final = _reader(_AccountData, _account)

_DETAILS_READERS: Final[Mapping[EventKind, _DetailsReader]] = MappingProxyType(
    {
        EventKind.CONCLUDED: _reader(_ConclusionData, _conclusion),
        EventKind.RENEWED: _reader(_RenewalData, _renewal),
        EventKind.CANCELLED: _reader(_NoticeData, _notice),
        EventKind.SCORED: _reader(_FeedbackData, _score),
        EventKind.COMPLAINED: _reader(_ComplaintData, _complaint),
        EventKind.ANSWERED: _reader(_AnswerData, _answer),
        EventKind.RESOLVED: _reader(_ResolutionData, _resolution),
        EventKind.RECOMMENDED: _read_referral,
        EventKind.ANNULLED: _read_referral,
        EventKind.SIGNED_UP: _read_account,
        EventKind.UPDATED: _read_account,
        EventKind.MERGED: _reader(MergeData, _merge_target),
    }
)
"""How to read the data of events other than orders; no rule looks at the data of the rest."""


_decode_ending: Final = payload_decoder(_EndingData)
_decode_way: Final = payload_decoder(tuple[Hop, ...])


def read(topic: str, event: Envelope) -> Happening | Ending | str | None:
    """Read an event into the happening that the fold sees.

    Returns RELEASED for an operator's request, an Ending or CIRCLE_CHANGED for word of a merge, and
    None for what does not concern lifecycle. Raises Poison("unknown_type") or
    Poison("invalid_data").
    """
    kind = EVENT_KINDS.get(event.type)
    if kind is None:
        return _read_other(topic, event)
    details: Details | None = None
    order_key = None
    try:
        if is_test(event.data):
            kind = EventKind.TEST
        elif event.type in ORDER_TYPES:
            fact = read_order(event, event.mergedfrom or "")
            details = fact
            order_key = order_hash(fact.details.order_id)
        elif kind in _DETAILS_READERS:
            details = _DETAILS_READERS[kind](event.data)
            if details is None:
                kind = EventKind.ACTIVE
    except msgspec.MsgspecError as error:
        raise Poison("invalid_data", f"{event.type}: {describe(error)}") from error
    return _happening(event, kind, details, order_key)


def _happening(
    event: Envelope, kind: EventKind, details: Details | None, order_key: int | None
) -> Happening:
    return Happening(
        event.time,
        RANKS[event.type],
        event.source,
        event.id,
        kind,
        details,
        event.historical,
        order_key,
        event.mergedfrom or "",
    )


_REQUESTS: Final = {name: name for name in (RELEASED, CIRCLE_CHANGED)}


def _read_other(topic: str, event: Envelope) -> Ending | str | None:
    if event.type in _REQUESTS:
        return _REQUESTS[event.type]
    if event.type == MERGE_ENDED:
        return _read_ending(event)
    if topic == CUSTOMER_EVENTS:
        raise Poison("unknown_type", f"{event.type} is not in the catalogue")
    return None


def _read_ending(event: Envelope) -> Ending:
    try:
        data = _decode_ending(event.data)
    except msgspec.MsgspecError as error:
        raise Poison("invalid_data", f"{event.type}: {describe(error)}") from error
    return Ending(data.customer, (data.time, data.unmerged, data.source, data.id))


def pack_ending(ending: Ending) -> msgspec.Raw:
    """Encode an ending as the data of a MERGE_ENDED event."""
    return pack(_EndingData(ending.customer, *ending.key))


def read_way(event: Envelope) -> Way:
    """Read the hops by which merges have brought an event; none for the customer's own events.

    Raises Poison("invalid_data") unless they begin with the customer that it was sent for.
    """
    if event.mergedfrom is None:
        return ()
    try:
        way = _decode_way(event.mergedvia or "[]")
    except msgspec.MsgspecError as error:
        raise Poison("invalid_data", f"mergedvia: {describe(error)}") from error
    if not way or way[0].customer != event.mergedfrom:
        raise Poison("invalid_data", "mergedvia must begin with the customer in mergedfrom")
    return way


def pack_way(way: Way) -> str:
    """Encode hops as `read_way` reads them."""
    return msgspec.json.encode(way).decode()
