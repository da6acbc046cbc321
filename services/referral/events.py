"""From records to what they say to this service; most of them say nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Final
from uuid import UUID

import msgspec

from services.referral.domain import codes
from services.referral.domain.claims import Kind, OrderEvent, Terms, Touch
from services.referral.domain.rewards import Facts
from shared.errors import Poison
from shared.events import transitions
from shared.events.envelope import Envelope
from shared.ids import stable_id
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS

DETERMINED: Final = "reward.determined"
"""Internal, keyed by the recommender: what the referee's events mean for the reward, as of a revision."""
CODE_FOUND: Final = "code.found"
"""Internal, keyed by a referee: a code named before it was issued has been issued."""
RELEASED: Final = "referral.released"
"""Internal: an operator asks that a parked customer be judged again."""
_ADVOCATE: Final = "advocate"
_LONGEST_CODE: Final = 200

Amount = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Money(msgspec.Struct, frozen=True):
    amount: Amount
    currency: str


class _Order(msgspec.Struct, frozen=True):
    order_id: str
    total: _Money
    referral_code: str | None = None
    return_window_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] | None = None


class _Refund(msgspec.Struct, frozen=True):
    order_id: str
    amount: _Money


class _Cancellation(msgspec.Struct, frozen=True):
    order_id: str


class _SignUp(msgspec.Struct, frozen=True):
    referral_code: str | None = None


class _Move(msgspec.Struct, frozen=True):
    to: str
    occurred_at: datetime
    historical: bool


class _Correction(msgspec.Struct, frozen=True):
    added: tuple[_Move, ...]


class Determination(msgspec.Struct, frozen=True):
    """The facts of a reward at a revision; without facts it was not earned after all."""

    claim_id: UUID
    revision: int
    facts: Facts | None


_order: Final = msgspec.json.Decoder(_Order)
_refund: Final = msgspec.json.Decoder(_Refund)
_cancellation: Final = msgspec.json.Decoder(_Cancellation)
_sign_up: Final = msgspec.json.Decoder(_SignUp)
_move: Final = msgspec.json.Decoder(_Move)
_correction: Final = msgspec.json.Decoder(_Correction)
_determination: Final = msgspec.json.Decoder(Determination)


@dataclass(frozen=True, slots=True)
class Told:
    """What a customer's event says: something about an order, a code named, or both."""

    order_event: OrderEvent | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Became:
    """The customer has become an advocate."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Recalled:
    """The customer is to be judged again, and, if parked, released."""

    released: bool


Content = Told | Became | Recalled | Determination


def read(topic: str, event: Envelope) -> Content | None:
    """What a record says to this service; None for nothing. Raises Poison("invalid_data")."""
    reader = _READERS.get((topic, event.type))
    if reader is None:
        return None
    if b"\\u0000" in bytes(event.data) or "\0" in event.subject + event.source + event.id:
        raise Poison("invalid_data", "a NUL character, which the database cannot hold")
    try:
        return reader(event)
    except msgspec.MsgspecError as error:
        raise Poison("invalid_data", f"{event.type}: {error}") from error


def _read_order(event: Envelope) -> Told:
    data = _order.decode(event.data)
    row = OrderEvent(
        Kind.COMPLETED, event.time, event.source, event.id, data.order_id, data.total.amount, data.total.currency,
        data.return_window_days, event.historical,
    )  # fmt: skip
    return Told(row, _code(event, data.referral_code))


def _read_refund(event: Envelope) -> Told:
    data = _refund.decode(event.data)
    amount, currency = data.amount.amount, data.amount.currency
    return Told(
        OrderEvent(
            Kind.REFUNDED, event.time, event.source, event.id, data.order_id, amount, currency
        ),
        None,
    )


def _read_cancellation(event: Envelope) -> Told:
    order_id = _cancellation.decode(event.data).order_id
    return Told(OrderEvent(Kind.CANCELLED, event.time, event.source, event.id, order_id), None)


def _read_sign_up(event: Envelope) -> Told | None:
    code = _code(event, _sign_up.decode(event.data).referral_code)
    return Told(None, code) if code else None


def _code(event: Envelope, named: str | None) -> str | None:
    """The code named; one that came with a merged customer's event was claimed under the old id already."""
    return None if event.mergedfrom else named


def _read_transition(event: Envelope) -> Became | None:
    return _became([_move.decode(event.data)])


def _read_correction(event: Envelope) -> Became | None:
    return _became(_correction.decode(event.data).added)


def _became(moves: Sequence[_Move]) -> Became | None:
    """Only a move that holds and is not of the past gives a code; a code once given stays."""
    found = [move.occurred_at for move in moves if move.to == _ADVOCATE and not move.historical]
    return Became(found[0]) if found else None


_READERS: Final[Mapping[tuple[str, str], Callable[[Envelope], Content | None]]] = MappingProxyType(
    {
        (CUSTOMER_EVENTS, "order.completed"): _read_order,
        (CUSTOMER_EVENTS, "order.refunded"): _read_refund,
        (CUSTOMER_EVENTS, "order.cancelled"): _read_cancellation,
        (CUSTOMER_EVENTS, "customer.signed_up"): _read_sign_up,
        (PHASE_TRANSITIONS, transitions.CHANGED): _read_transition,
        (PHASE_TRANSITIONS, transitions.CORRECTED): _read_correction,
        (REFERRAL_EVENTS, DETERMINED): lambda event: _determination.decode(event.data),
        (REFERRAL_EVENTS, CODE_FOUND): lambda _: Recalled(released=False),
        (REFERRAL_EVENTS, RELEASED): lambda _: Recalled(released=True),
    }
)


def touch(referee: str, time: datetime, source: str, event: str, text: str, terms: Terms) -> Touch:
    """Somebody named a code; whose it is is looked up later."""
    code = codes.read(text) or text[:_LONGEST_CODE]
    return Touch(stable_id("claim", referee, source, event), time, source, event, code, None, terms)
