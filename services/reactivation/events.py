"""From records to rows: the few fields of orders and transitions that win-back looks at."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from services.reactivation.cases.repository import LapseRow, PurchaseRow, Withdrawal
from services.reactivation.domain import codes
from shared.errors import Poison
from shared.events import transitions
from shared.events.envelope import Envelope
from shared.events.transitions import Correction, Transition
from shared.ids import narrow
from shared.kafka.topics import PHASE_TRANSITIONS, WINBACK_EVENTS

RELEASED: Final = "reactivation.released"
"""Internal: an operator asks that what waits in the dead letters for a parked customer be folded."""
ORDER_COMPLETED: Final = "order.completed"
LAPSED: Final = frozenset({"inactive", "former"})


class _Order(msgspec.Struct, frozen=True):
    order_id: str
    coupon: str | None = None


_order: Final = msgspec.json.Decoder(_Order)


class Announcement(NamedTuple):
    """What a record of phase-transitions adds and voids."""

    lapses: list[LapseRow]
    withdrawals: list[Withdrawal]


def read(topic: str, event: Envelope) -> PurchaseRow | Announcement | str | None:
    """What a record says to win-back, RELEASED for an operator's request, None if nothing.

    Raises Poison("invalid_data") or Poison("undecodable").
    """
    if topic == WINBACK_EVENTS:
        return RELEASED if event.type == RELEASED else None
    if topic == PHASE_TRANSITIONS:
        found = announcement(event)
        return found if found.lapses or found.withdrawals else None
    return purchase(event) if event.type == ORDER_COMPLETED else None


def purchase(event: Envelope) -> PurchaseRow:
    """An order.completed as it is kept. Raises Poison("invalid_data")."""
    try:
        order = _order.decode(event.data)
    except msgspec.MsgspecError as error:
        raise Poison("invalid_data", f"{event.type}: {error}") from error
    coupon = codes.canonical(order.coupon) if order.coupon else None
    known = coupon if coupon and codes.is_well_formed(coupon) else None
    return PurchaseRow(
        event.subject, narrow(f"{event.source}\x1f{event.id}"), event.time, order.order_id, known
    )


def announcement(event: Envelope) -> Announcement:
    """A transition or a correction of transitions. Raises Poison("undecodable")."""
    found = transitions.decode(event)
    if isinstance(found, Correction):
        voided = [Withdrawal(event.subject, version, found.version) for version in found.withdrawn]
        return Announcement(_lapses(event.subject, found.added), voided)
    return Announcement(_lapses(event.subject, (found,)) if found else [], [])


def _lapses(customer: str, found: Iterable[Transition]) -> list[LapseRow]:
    return [
        LapseRow(customer, t.version, t.position, t.occurred_at, t.rule, t.to, t.historical)
        for t in found
        if t.to in LAPSED and t.profile.orders > 0
    ]
