"""What reactivation reads from Kafka: the few fields of events and transitions that it needs."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import msgspec

from services.reactivation.domain import codes
from services.reactivation.domain.history import OrderEvent
from services.reactivation.domain.permissions import Permission, PermissionKind
from shared.error_texts import describe
from shared.errors import Poison
from shared.events import transitions
from shared.events.envelope import Envelope
from shared.events.payload import Word, is_test, payload_decoder
from shared.events.ranks import rank_of
from shared.events.transitions import Correction, Transition
from shared.identities import Merge, read_merge
from shared.kafka.topics import PHASE_TRANSITIONS, WINBACK_EVENTS
from shared.orders.facts import ORDER_TYPES, OrderAction, read_order

RELEASED: Final = "reactivation.released"
"""Internal: an operator asks to fold what waits in the dead letters for a parked customer."""
REGROUPED: Final = "reactivation.regrouped"
"""Internal: something has changed about an id that has become, or was, one with the customer."""
LAPSED: Final = frozenset({"inactive", "former"})
_BUYERS: Final = frozenset({"new", "established", "won_back"})
"""Phases that only a purchase or a contract leads to."""
_AT_RISK: Final = "at_risk"
_ENDED: Final = "relationship_ended"
"""With a deadline for evidence it is a contract that has ended."""
_MARKETING: Final = "marketing"


class AnnouncedLapse(NamedTuple):
    """A lapse as announced: the record that it came with, and whether it is only history."""

    customer: str
    version: int
    position: int
    occurred_at: datetime
    rule: str
    phase: str
    historical: bool


class LapseWithdrawal(NamedTuple):
    """The transitions from version `first` to `last` are void since the correction `by`.

    `is_merged` says that the customer has no history any more: it counts for another id.
    """

    customer: str
    first: int
    last: int
    by: int
    is_merged: bool


class NewHistory(NamedTuple):
    """A history that begins with the record of this version: what was withdrawn before is void."""

    customer: str
    version: int


class LastPart(NamedTuple):
    """The lapses of the versions from `first` to `last`, parts of one correction, hold now."""

    customer: str
    first: int
    last: int


class LapseUpdate(NamedTuple):
    """What a record of phase-transitions says of lapses.

    Those of a part (`is_part`) hold only once the `last_part` of the correction has come.
    """

    lapses: list[AnnouncedLapse]
    withdrawals: list[LapseWithdrawal]
    beginning: NewHistory | None = None
    last_part: LastPart | None = None
    is_part: bool = False


Content: TypeAlias = OrderEvent | Permission | Merge | LapseUpdate | str
"""What a record may say to win-back."""


class _Codes(msgspec.Struct, frozen=True):
    """Where an order may name a code of ours."""

    coupon: Word | None = None
    coupons: list[Word] | None = None
    discounts: "list[_Discount] | None" = None


class _Discount(msgspec.Struct, frozen=True):
    code: Word


class _Consent(msgspec.Struct, frozen=True):
    purpose: Word | None = None


_decode_codes: Final = payload_decoder(_Codes)
_decode_consent: Final = payload_decoder(_Consent)

_PERMISSIONS: Final[Mapping[str, PermissionKind]] = MappingProxyType(
    {
        "customer.signed_up": PermissionKind.SIGNED_UP,
        "customer.closed": PermissionKind.CLOSED,
        "consent.granted": PermissionKind.CONSENT_GRANTED,
        "consent.withdrawn": PermissionKind.CONSENT_WITHDRAWN,
        "newsletter.subscribed": PermissionKind.SUBSCRIBED,
        "newsletter.unsubscribed": PermissionKind.UNSUBSCRIBED,
    }
)
_CONSENTS: Final = frozenset({PermissionKind.CONSENT_GRANTED, PermissionKind.CONSENT_WITHDRAWN})


def read(topic: str, event: Envelope) -> Content | None:
    """What a record says to win-back, RELEASED for an operator's request, None if nothing.

    Events that a merge brought over say nothing: they were read where they were sent to. Raises
    Poison("invalid_data").
    """
    if topic == WINBACK_EVENTS:
        return {RELEASED: RELEASED, REGROUPED: REGROUPED}.get(event.type)
    if topic == PHASE_TRANSITIONS:
        return _read_lapses(event)
    reader = _READERS.get(event.type)
    if reader is None or event.mergedfrom is not None:
        return None
    try:
        return None if is_test(event.data) else reader(event)
    except msgspec.MsgspecError as error:
        raise Poison("invalid_data", f"{event.type}: {describe(error)}") from error


def _read_order(event: Envelope) -> OrderEvent:
    fact = read_order(event, event.subject)
    return OrderEvent(fact, _offer_codes(event) if fact.action is OrderAction.COMPLETED else ())


def _offer_codes(event: Envelope) -> tuple[str, ...]:
    """The canonical codes that an order names, as far as they could be codes of ours."""
    named = _decode_codes(event.data)
    texts = [named.coupon or "", *(named.coupons or ())]
    texts += [discount.code for discount in named.discounts or ()]
    canonical = [codes.canonical(text) for text in texts]
    return tuple(sorted({code for code in canonical if codes.is_well_formed(code)}))


def _read_permission(event: Envelope) -> Permission | None:
    """A permission; None for a consent that is not about marketing."""
    kind = _PERMISSIONS[event.type]
    if kind in _CONSENTS:
        purpose = _decode_consent(event.data).purpose
        if purpose is not None and purpose.casefold() != _MARKETING:
            return None
    return Permission(event.time, rank_of(event.type), event.source, event.id, kind)


_READERS: Final[Mapping[str, Callable[[Envelope], Content | None]]] = MappingProxyType(
    {
        **dict.fromkeys(ORDER_TYPES, _read_order),
        **dict.fromkeys(_PERMISSIONS, _read_permission),
        **dict.fromkeys(("customer.merged", "customer.unmerged"), read_merge),
    }
)


def _read_lapses(event: Envelope) -> LapseUpdate | None:
    """The lapses of a transition or a correction, None if it says nothing of any.

    Raises Poison("invalid_data").
    """
    content = transitions.decode(event)
    if content is None:
        return None
    customer = event.subject
    if isinstance(content, Correction):
        return _read_correction(customer, content)
    begins = content.from_ is None
    beginning = NewHistory(customer, content.version) if begins else None
    lapses = _lapses(customer, [content])
    return LapseUpdate(lapses, [], beginning) if lapses or begins else None


def _read_correction(customer: str, correction: Correction) -> LapseUpdate | None:
    """The lapses of one part of a correction."""
    lapses = _lapses(customer, correction.added)
    if not correction.is_last:
        return LapseUpdate(lapses, [], is_part=True) if lapses else None
    # A correction in parts begins anew wherever a history was gone: nothing else can add to that.
    begins = any(move.from_ is None for move in correction.added) or (
        correction.parts > 1 and correction.current is not None
    )
    beginning = NewHistory(customer, correction.version) if begins else None
    last_part = (
        LastPart(customer, correction.first_version, correction.version)
        if correction.parts > 1
        else None
    )
    update = LapseUpdate(lapses, _withdrawals(customer, correction), beginning, last_part)
    return update if any(update) else None


def _withdrawals(customer: str, correction: Correction) -> list[LapseWithdrawal]:
    spans = [(version, version) for version in correction.withdrawn]
    if correction.withdrawn_from is not None:
        spans.append((correction.withdrawn_from, correction.first_version - 1))
    is_merged = correction.current is None
    return [LapseWithdrawal(customer, *span, correction.version, is_merged) for span in spans]


def _lapses(customer: str, moves: Iterable[Transition]) -> list[AnnouncedLapse]:
    return [
        AnnouncedLapse(
            customer,
            move.version,
            move.position,
            move.occurred_at,
            move.rule,
            move.to,
            move.historical,
        )
        for move in moves
        if move.to in LAPSED and _has_bought(move)
    ]


def _has_bought(move: Transition) -> bool:
    """Whether a purchase of the customer stands, or a contract ran."""
    if move.profile.orders > 0 or move.from_ in _BUYERS:
        return True
    return move.rule == _ENDED and move.from_ == _AT_RISK and move.evidence.deadline is not None
