"""The events on phase-transitions.v1: `phase.changed` and `phase.corrected`."""

from datetime import datetime
from typing import Final

import msgspec

from shared.error_texts import describe
from shared.errors import Poison
from shared.events.envelope import Envelope

CHANGED: Final = "phase.changed"
CORRECTED: Final = "phase.corrected"


class MoneyAmount(msgspec.Struct, frozen=True, gc=False):
    """Integer minor units of a currency (ISO 4217 exponent)."""

    amount: int
    currency: str


class EventRef(msgspec.Struct, frozen=True, gc=False):
    """One of the customer's events."""

    source: str
    id: str


class Evidence(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why a transition happened: the events, or the deadline that passed."""

    events: tuple[EventRef, ...] = ()
    deadline: datetime | None = None


class PolicyRef(msgspec.Struct, frozen=True, gc=False):
    """The policy that applied."""

    name: str
    version: int


class OrderRef(msgspec.Struct, frozen=True, gc=False):
    """The order that caused a transition."""

    order_id: str
    total: MoneyAmount
    coupon: str | None = None


class Outlook(msgspec.Struct, frozen=True):
    """What the cadence model expects of a customer, by fit `fit`; money is in minor units."""

    p_alive: float
    p_no_purchase: float
    expected_orders_12m: float
    expected_value: float | None
    clv: float | None
    fit: int


class Profile(msgspec.Struct, frozen=True):
    """The customer right after the transition, as far as downstream services need it.

    `revenue` and `margin` have one entry per currency; `deadlines` are instants by rule; `causes`
    say why the customer is at risk; `order` is the one that caused the transition.
    """

    orders: int
    revenue: tuple[MoneyAmount, ...]
    margin: tuple[MoneyAmount, ...]
    first_order_at: datetime | None
    last_order_at: datetime | None
    deadlines: dict[str, datetime]
    order: OrderRef | None = None
    causes: tuple[str, ...] = ()
    outlook: Outlook | None = None


class Transition(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One step of a customer's history.

    `position` is its place in the history, `version` that of the record that published it.
    """

    customer: str
    version: int
    position: int
    from_: str | None
    to: str
    rule: str
    occurred_at: datetime
    recorded_at: datetime
    evidence: Evidence
    policy: PolicyRef
    episode: int
    historical: bool
    profile: Profile


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A changed past: transitions of the `withdrawn` versions are void, `added` replace them."""

    customer: str
    version: int
    withdrawn: tuple[int, ...]
    added: tuple[Transition, ...]
    current: str | None
    recorded_at: datetime


_transition: Final = msgspec.json.Decoder(Transition)
_correction: Final = msgspec.json.Decoder(Correction)


def decode(event: Envelope) -> Transition | Correction | None:
    """Decode an announcement; None for another type. Raises Poison("undecodable")."""
    try:
        if event.type == CHANGED:
            return _transition.decode(event.data)
        return _correction.decode(event.data) if event.type == CORRECTED else None
    except msgspec.MsgspecError as error:
        raise Poison("undecodable", describe(error)) from error
