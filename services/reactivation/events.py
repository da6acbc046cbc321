"""What reactivation reads from Kafka: the few fields of orders and transitions that it needs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from services.reactivation.domain import codes
from shared.error_texts import describe
from shared.errors import Poison
from shared.events import transitions
from shared.events.envelope import Envelope
from shared.events.transitions import Correction, Transition
from shared.ids import hash64
from shared.kafka.topics import PHASE_TRANSITIONS, WINBACK_EVENTS

RELEASED: Final = "reactivation.released"
"""Internal: an operator asks to fold what waits in the dead letters for a parked customer."""
ORDER_COMPLETED: Final = "order.completed"
LAPSED: Final = frozenset({"inactive", "former"})


class _Order(msgspec.Struct, frozen=True):
    order_id: str
    coupon: str | None = None


_order: Final = msgspec.json.Decoder(_Order)


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
    """The transitions of `version` are void since the correction with the version `by`."""

    customer: str
    version: int
    by: int


class Purchase(NamedTuple):
    """An order as it is kept; `coupon` is canonical, and None unless it could be a code of ours."""

    customer: str
    event_key: int
    time: datetime
    order_id: str
    coupon: str | None


class LapseUpdate(NamedTuple):
    """The lapses that a record of phase-transitions adds and withdraws."""

    lapses: list[AnnouncedLapse]
    withdrawals: list[LapseWithdrawal]


def read(topic: str, event: Envelope) -> Purchase | LapseUpdate | str | None:
    """What a record says to win-back, RELEASED for an operator's request, None if nothing.

    Raises Poison("invalid_data") or Poison("undecodable").
    """
    if topic == WINBACK_EVENTS:
        return RELEASED if event.type == RELEASED else None
    if topic == PHASE_TRANSITIONS:
        update = read_lapses(event)
        return update if update.lapses or update.withdrawals else None
    return read_purchase(event) if event.type == ORDER_COMPLETED else None


def read_purchase(event: Envelope) -> Purchase:
    """An order.completed as it is kept. Raises Poison("invalid_data")."""
    try:
        order = _order.decode(event.data)
    except msgspec.MsgspecError as error:
        raise Poison("invalid_data", f"{event.type}: {describe(error)}") from error
    key = hash64(f"{event.source}\x1f{event.id}")
    return Purchase(event.subject, key, event.time, order.order_id, _offer_code(order.coupon))


def _offer_code(coupon: str | None) -> str | None:
    """The canonical code in a coupon; None unless it could be a code of ours."""
    code = codes.canonical(coupon) if coupon else ""
    return code if codes.is_well_formed(code) else None


def read_lapses(event: Envelope) -> LapseUpdate:
    """The lapses of a transition or a correction. Raises Poison("undecodable")."""
    content = transitions.decode(event)
    customer = event.subject
    if isinstance(content, Correction):
        withdrawals = [
            LapseWithdrawal(customer, version, content.version) for version in content.withdrawn
        ]
        return LapseUpdate(_lapses(customer, content.added), withdrawals)
    return LapseUpdate(_lapses(customer, (content,)) if content else [], [])


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
        if move.to in LAPSED and move.profile.orders > 0
    ]
