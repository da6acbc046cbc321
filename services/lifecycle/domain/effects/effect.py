"""What an event or a passed deadline changes, and the types of the functions that say so."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import EventKind, Happening
from services.lifecycle.domain.state.phases import Phase
from shared.orders.book import OrderBook

NO_CAUSES: Final[frozenset[str]] = frozenset()
_AT_RISK: Final = Phase.AT_RISK
"""A name of the module: looking a member up in its enum takes ten times as long."""


class Effect(msgspec.Struct, frozen=True, gc=False):
    """The state afterwards, and what the event or deadline means to the rules.

    `new_causes` are the causes of being at risk that it brings. `clears` says of an earlier cause
    whether it is gone now (None: none is). `bought_at` is the time of the purchase, of an order
    that is completed or stands again.
    """

    customer: Customer
    kind: EventKind
    new_causes: frozenset[str] = NO_CAUSES
    clears: Callable[[str], bool] | None = None
    bought_at: datetime | None = None


EventEffect: TypeAlias = Callable[[Customer, Happening, Policy, OrderBook | None], Effect]
"""One function per kind of event; `orders` as for `apply_event`."""
DeadlineEffect: TypeAlias = Callable[[Customer, datetime, Policy], Effect]
"""One function per kind of deadline; it gets the instant at which the deadline passes."""


def clears_only(cause: str) -> Callable[[str], bool]:
    """Return a function for `Effect.clears` that says yes to this cause alone."""
    return cause.__eq__


def update_causes(effect: Effect) -> Effect:
    """Clear and add causes, but only of a customer at risk: in other phases none are kept."""
    customer = effect.customer
    if customer.phase is not _AT_RISK:
        return effect
    causes = customer.causes
    clears = effect.clears
    if clears is not None:
        causes = frozenset([cause for cause in causes if not clears(cause)])
    at_risk = replace(customer, causes=causes | effect.new_causes)
    return replace(effect, customer=at_risk)
