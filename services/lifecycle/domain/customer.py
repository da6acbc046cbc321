"""One customer as the fold sees it: what happened, and what is known from it."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec

from services.lifecycle.domain.phases import Cause, Phase
from shared.events.transitions import Evidence, Money, OrderRef, PolicyRef, Profile

Key = tuple[datetime, str, str]
"""Events are folded in the order of (time, source, id)."""

BEGINNING: Final[Key] = (datetime.min.replace(tzinfo=UTC), "", "")


class Kind(StrEnum):
    """What an event means to the rules."""

    ORDER = "order"
    CONTACT = "contact"
    CLOSED = "closed"
    RECOMMENDED = "recommended"
    NOTICE = "notice"
    """Concerns a customer without creating one."""


class Happening(msgspec.Struct, frozen=True, gc=False):
    """One event, reduced to what the rules look at; `margin` is in the currency of the order's total."""

    time: datetime
    source: str
    id: str
    kind: Kind
    order: OrderRef | None = None
    margin: int | None = None
    historical: bool = False

    @property
    def key(self) -> Key:
        """Where the event stands in the customer's life."""
        return self.time, self.source, self.id


class Customer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state: a pure function of the events folded and the time passed.

    `revenue` and `margin` are minor units by currency; `orders_since_return` counts from the last return on, that
    order included; `before` is the phase to which a customer at risk recovers; `faded` marks an inactive prospect;
    `due` is the earliest deadline.
    """

    phase: Phase | None = None
    since: datetime = BEGINNING[0]
    episode: int = 1
    position: int = 0
    orders: int = 0
    revenue: dict[str, int] = {}
    margin: dict[str, int] = {}
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None
    last_event: Key = BEGINNING
    orders_since_return: int = 0
    before: Phase | None = None
    causes: frozenset[Cause] = frozenset()
    faded: bool = False
    due: datetime | None = None

    def is_late(self, happening: Happening) -> bool:
        """Does this event belong before something already folded? Then the customer is folded anew."""
        return happening.key < self.last_event or happening.time < self.since


class Move(msgspec.Struct, frozen=True):
    """One transition, as a pure function of the events: what is known of it before anybody records it."""

    position: int
    from_: Phase | None
    to: Phase
    rule: str
    occurred_at: datetime
    evidence: Evidence
    policy: PolicyRef
    episode: int
    historical: bool
    profile: Profile


def sums(by_currency: dict[str, int]) -> tuple[Money, ...]:
    """One amount of money per currency, in the order of the currencies' codes."""
    return tuple(Money(amount, currency) for currency, amount in sorted(by_currency.items()))
