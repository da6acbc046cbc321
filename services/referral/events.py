"""What referral reads from Kafka: orders, codes, merges, advocates, and requests to itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from services.referral.domain.orders import OrderEvent
from services.referral.domain.rewards import RewardRevision, RewardTransfer
from shared.error_texts import describe
from shared.errors import Poison
from shared.events import transitions
from shared.events.envelope import Envelope
from shared.events.payload import Count, Instant, Name, Word, is_test, payload_decoder
from shared.identities import Merge, read_merge
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS
from shared.orders.facts import ORDER_TYPES, read_order

REWARD_DETERMINED: Final = "reward.determined"
"""Internal, keyed by the recommender: the referee's owner has revised a reward's facts."""
REWARD_TRANSFERRED: Final = "reward.transferred"
"""Internal, keyed by who stands for a merged id (or is unmerged): what leaves the other id."""
REVIEW_REQUESTED: Final = "review.requested"
"""Internal, keyed by the survivor of a merge: one of the person's ids has news, or has left."""
CODE_FOUND: Final = "code.found"
"""Internal, keyed by a referee: a code that was named too early has been issued."""
RELEASED: Final = "referral.released"
"""Internal: an operator asks that a parked customer be judged again."""
_ADVOCATE: Final = "advocate"


class _Order(msgspec.Struct, frozen=True):
    referral_code: Word | None = None
    return_window_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] | None = None


class _SignUp(msgspec.Struct, frozen=True):
    referral_code: Word | None = None


class _Move(msgspec.Struct, frozen=True):
    to: Name
    occurred_at: Instant
    historical: bool


class _Correction(msgspec.Struct, frozen=True):
    added: tuple[_Move, ...]
    part: Count = 1
    parts: Count = 1


_decode_order: Final = payload_decoder(_Order)
_decode_sign_up: Final = payload_decoder(_SignUp)
_decode_move: Final = payload_decoder(_Move)
_decode_correction: Final = payload_decoder(_Correction)
_decode_revision: Final = payload_decoder(RewardRevision)
_decode_transfer: Final = payload_decoder(RewardTransfer)


@dataclass(frozen=True, slots=True)
class ShopEvent:
    """What a customer's event says: something about an order, a code that was named, or both."""

    order_event: OrderEvent | None
    code: str | None


class PartKind(StrEnum):
    """Which part of a correction a record is, or the whole of what it says."""

    WHOLE = "whole"
    EARLIER = "earlier"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class NewAdvocate:
    """The customer has become an advocate; by a part of a correction once the last has come.

    `since` is None in a last part that makes nobody an advocate itself.
    """

    since: datetime | None
    part: PartKind = PartKind.WHOLE


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """A request to judge the customer again; with `release` also if the customer is parked."""

    release: bool


Content = ShopEvent | NewAdvocate | ReviewRequest | RewardRevision | RewardTransfer | Merge


def read(topic: str, event: Envelope) -> Content | None:
    """What a record says to this service; None if nothing. Raises Poison("invalid_data").

    What lifecycle forwards after a merge says nothing new: the event was read when it came under
    the id that it was sent for, and merges are followed here as well.
    """
    reader = _READERS.get((topic, event.type))
    if reader is None or event.mergedfrom is not None:
        return None
    try:
        return None if is_test(event.data) else reader(event)
    except msgspec.MsgspecError as error:
        raise Poison("invalid_data", f"{event.type}: {describe(error)}") from error


def _read_order(event: Envelope) -> ShopEvent:
    order = _decode_order(event.data)
    fact = read_order(event, event.subject)
    return ShopEvent(OrderEvent(fact, order.return_window_days), order.referral_code)


def _read_order_change(event: Envelope) -> ShopEvent:
    return ShopEvent(OrderEvent(read_order(event, event.subject)), None)


def _read_sign_up(event: Envelope) -> ShopEvent | None:
    code = _decode_sign_up(event.data).referral_code
    return ShopEvent(None, code) if code else None


def _read_transition(event: Envelope) -> NewAdvocate | None:
    return _new_advocate([_decode_move(event.data)])


def _read_correction(event: Envelope) -> NewAdvocate | None:
    correction = _decode_correction(event.data)
    advocate = _new_advocate(correction.added)
    if correction.parts <= 1:
        return advocate
    if correction.part >= correction.parts:
        return NewAdvocate(advocate.since if advocate else None, PartKind.LAST)
    return advocate and NewAdvocate(advocate.since, PartKind.EARLIER)


def _new_advocate(moves: Sequence[_Move]) -> NewAdvocate | None:
    """Only a present move that holds makes an advocate; later corrections take no code away."""
    for move in moves:
        if move.to == _ADVOCATE and not move.historical:
            return NewAdvocate(move.occurred_at.astimezone(UTC))
    return None


_READERS: Final[Mapping[tuple[str, str], Callable[[Envelope], Content | None]]] = MappingProxyType(
    {
        **{(CUSTOMER_EVENTS, type): _read_order_change for type in ORDER_TYPES},
        (CUSTOMER_EVENTS, "order.completed"): _read_order,
        (CUSTOMER_EVENTS, "customer.signed_up"): _read_sign_up,
        (CUSTOMER_EVENTS, "customer.merged"): read_merge,
        (CUSTOMER_EVENTS, "customer.unmerged"): read_merge,
        (PHASE_TRANSITIONS, transitions.CHANGED): _read_transition,
        (PHASE_TRANSITIONS, transitions.CORRECTED): _read_correction,
        (REFERRAL_EVENTS, REWARD_DETERMINED): lambda event: _decode_revision(event.data),
        (REFERRAL_EVENTS, REWARD_TRANSFERRED): lambda event: _decode_transfer(event.data),
        (REFERRAL_EVENTS, REVIEW_REQUESTED): lambda _: ReviewRequest(release=False),
        (REFERRAL_EVENTS, CODE_FOUND): lambda _: ReviewRequest(release=False),
        (REFERRAL_EVENTS, RELEASED): lambda _: ReviewRequest(release=True),
    }
)
