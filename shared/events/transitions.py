"""The events on phase-transitions.v1: `phase.changed` and `phase.corrected`."""

from typing import Annotated, Final

import msgspec

from shared.error_texts import describe
from shared.errors import Poison
from shared.events.envelope import Envelope
from shared.events.payload import Count, Currency, CustomerName, Instant, Name, payload_decoder

_Text = Annotated[str, msgspec.Meta(max_length=300)]

CHANGED: Final = "phase.changed"
CORRECTED: Final = "phase.corrected"
MOST_CONTENT: Final = 240 * 1024
"""Most bytes of transitions and versions in one record: with all else it stays under 256 KiB."""
MOST_WITHDRAWN: Final = 20_000
"""Most versions that a correction lists; of more it tells only the first."""
MOST_CAUSES: Final = 50


class MoneyAmount(msgspec.Struct, frozen=True, gc=False):
    """Integer minor units of a currency (ISO 4217 exponent)."""

    amount: int
    currency: Currency


class EventRef(msgspec.Struct, frozen=True, gc=False):
    """One of the customer's events."""

    source: Name
    id: Name


class Evidence(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why a transition happened: the events, or the deadline that passed."""

    events: tuple[EventRef, ...] = ()
    deadline: Instant | None = None


class PolicyRef(msgspec.Struct, frozen=True, gc=False):
    """The policy that applied."""

    name: _Text
    version: int


class OrderRef(msgspec.Struct, frozen=True, gc=False):
    """The order that caused a transition."""

    order_id: Name
    total: MoneyAmount
    coupon: _Text | None = None


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
    say why the customer is at risk, the first 50 of them: `more_causes` counts the others; `order`
    is the one that caused the transition.
    """

    orders: int
    revenue: tuple[MoneyAmount, ...]
    margin: tuple[MoneyAmount, ...]
    first_order_at: Instant | None
    last_order_at: Instant | None
    deadlines: dict[str, Instant]
    order: OrderRef | None = None
    causes: tuple[_Text, ...] = ()
    more_causes: Count = 0
    outlook: Outlook | None = None


class Transition(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One step of a customer's history.

    `position` is its place in the history, `version` that of the record that published it.
    """

    customer: CustomerName
    version: Count
    position: Count
    from_: Name | None
    to: Name
    rule: Name
    occurred_at: Instant
    recorded_at: Instant
    evidence: Evidence
    policy: PolicyRef
    episode: Count
    historical: bool
    profile: Profile


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A changed past: transitions of the `withdrawn` versions are void, `added` replace them.

    One that is too large for one record comes in `parts`, with a version each, one after another:
    it means nothing before the last, which alone has `withdrawn` and `current`. `withdrawn_from`
    stands for a long `withdrawn`: void is all from this version up to the first part.
    """

    customer: CustomerName
    version: Count
    withdrawn: tuple[Count, ...] = ()
    added: tuple[Transition, ...]
    current: Name | None = None
    recorded_at: Instant
    part: Count = 1
    parts: Count = 1
    withdrawn_from: Count | None = None

    @property
    def first_version(self) -> int:
        """The version of the first part."""
        return self.version - self.part + 1

    @property
    def is_last(self) -> bool:
        """Whether it is the last part, with which the correction holds."""
        return self.part >= self.parts


_decode_transition: Final = payload_decoder(Transition)
_decode_correction: Final = payload_decoder(Correction)


def decode(event: Envelope) -> Transition | Correction | None:
    """Decode an announcement; None for another type. Raises Poison("invalid_data")."""
    try:
        if event.type == CHANGED:
            return _decode_transition(event.data)
        return _decode_correction(event.data) if event.type == CORRECTED else None
    except msgspec.MsgspecError as error:
        raise Poison("invalid_data", f"{event.type}: {describe(error)}") from error
