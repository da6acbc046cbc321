"""From records to what they say to this service; most of them say nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Final
from uuid import UUID

import msgspec

from services.referral.domain import codes
from services.referral.domain.claims import Kind, OrderEvent, Terms, Touch
from services.referral.domain.ledger import Book
from services.referral.domain.rewards import Facts
from shared.batch import Batch, Incoming
from shared.errors import Poison
from shared.events import transitions
from shared.events.envelope import Envelope
from shared.ids import stable_id
from shared.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS

DETERMINED: Final = "reward.determined"
"""Internal, keyed by the recommender: what the referee's events mean for the reward, as of a revision."""
CODE_FOUND: Final = "code.found"
"""Internal, keyed by a referee: a code named before it was issued has been issued."""
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


@dataclass(slots=True)
class Work:
    """What one batch asks of this service.

    `clocks` is, by partition, where the clock will stand after the batch; `due` are rewards whose deadline lies at or
    before the instant given.
    """

    clocks: dict[int, datetime] = field(default_factory=dict)
    order_events: list[tuple[str, OrderEvent]] = field(default_factory=list)
    touches: dict[UUID, tuple[str, Touch]] = field(default_factory=dict)
    advocates: dict[str, datetime] = field(default_factory=dict)
    determinations: dict[Book, Determination] = field(default_factory=dict)
    referees: set[str] = field(default_factory=set)
    due: dict[Book, datetime] = field(default_factory=dict)

    @property
    def customers(self) -> set[str]:
        """Everybody whom it may change."""
        found = {customer for customer, _ in self.order_events} | self.referees | self.advocates.keys()
        found |= {referee for referee, _ in self.touches.values()}
        return found | {book.customer for book in (*self.determinations, *self.due)}


def read(batch: Batch, terms: Terms) -> Work:
    """Decode a batch; records that cannot be read become dead letters."""
    work = Work()
    for portion, incoming in batch.events():
        reader = _READERS.get((incoming.topic, incoming.event.type))
        if reader:
            try:
                _read_one(reader, work, incoming, terms)
            except (Poison, msgspec.MsgspecError) as error:
                detail = error.detail if isinstance(error, Poison) else str(error)
                portion.reject(incoming, "invalid_data", f"{incoming.event.type}: {detail}")
    return work


def _read_one(reader: "Reader", work: Work, incoming: Incoming, terms: Terms) -> None:
    if b"\\u0000" in incoming.value:
        raise Poison("invalid_data", "a NUL character, which the database cannot hold")
    reader(work, incoming.event, terms)


def touch(referee: str, time: datetime, source: str, event: str, text: str, terms: Terms) -> Touch:
    """Somebody named a code; its recommender is looked up later."""
    code = codes.read(text) or text[:_LONGEST_CODE]
    return Touch(stable_id("claim", referee, source, event), time, source, event, code, None, terms)


def _named(work: Work, event: Envelope, code: str | None, terms: Terms) -> None:
    if code:
        found = touch(event.subject, event.time, event.source, event.id, code, terms)
        work.touches.setdefault(found.id, (event.subject, found))


def _read_order(work: Work, event: Envelope, terms: Terms) -> None:
    data = _order.decode(event.data)
    row = OrderEvent(
        Kind.COMPLETED, event.time, event.source, event.id, data.order_id, data.total.amount, data.total.currency,
        data.return_window_days, event.historical,
    )  # fmt: skip
    work.order_events.append((event.subject, row))
    _named(work, event, data.referral_code, terms)


def _read_refund(work: Work, event: Envelope, _: Terms) -> None:
    data = _refund.decode(event.data)
    amount = data.amount
    row = OrderEvent(
        Kind.REFUNDED, event.time, event.source, event.id, data.order_id, amount.amount, amount.currency
    )
    work.order_events.append((event.subject, row))


def _read_cancellation(work: Work, event: Envelope, _: Terms) -> None:
    data = _cancellation.decode(event.data)
    row = OrderEvent(Kind.CANCELLED, event.time, event.source, event.id, data.order_id)
    work.order_events.append((event.subject, row))


def _read_sign_up(work: Work, event: Envelope, terms: Terms) -> None:
    if b"referral_code" in event.data:
        _named(work, event, _sign_up.decode(event.data).referral_code, terms)


def _read_transition(work: Work, event: Envelope, _: Terms) -> None:
    if b'"advocate"' in event.data:
        _became(work, event.subject, _move.decode(event.data))


def _read_correction(work: Work, event: Envelope, _: Terms) -> None:
    if b'"advocate"' in event.data:
        for move in _correction.decode(event.data).added:
            _became(work, event.subject, move)


def _became(work: Work, customer: str, move: _Move) -> None:
    if move.to == _ADVOCATE and not move.historical:
        work.advocates.setdefault(customer, move.occurred_at)


def _read_determination(work: Work, event: Envelope, _: Terms) -> None:
    found = _determination.decode(event.data)
    book = Book(event.subject, found.claim_id)
    known = work.determinations.get(book)
    if known is None or known.revision < found.revision:
        work.determinations[book] = found


def _read_code_found(work: Work, event: Envelope, _: Terms) -> None:
    work.referees.add(event.subject)


Reader = Callable[[Work, Envelope, Terms], None]
_READERS: Final[Mapping[tuple[str, str], Reader]] = MappingProxyType(
    {
        (CUSTOMER_EVENTS, "order.completed"): _read_order,
        (CUSTOMER_EVENTS, "order.refunded"): _read_refund,
        (CUSTOMER_EVENTS, "order.cancelled"): _read_cancellation,
        (CUSTOMER_EVENTS, "customer.signed_up"): _read_sign_up,
        (PHASE_TRANSITIONS, transitions.CHANGED): _read_transition,
        (PHASE_TRANSITIONS, transitions.CORRECTED): _read_correction,
        (REFERRAL_EVENTS, DETERMINED): _read_determination,
        (REFERRAL_EVENTS, CODE_FOUND): _read_code_found,
    }
)
