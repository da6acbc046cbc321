"""What the counting of an event comes to, and the shape of the functions that count."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import CONTACT, Customer
from services.lifecycle.domain.state.happenings import EventKind, Happening
from services.lifecycle.domain.state.orders import Orders

NO_CAUSES: Final[frozenset[str]] = frozenset()


def last_contact(customer: Customer, happening: Happening) -> datetime | None:
    """The last session, page or click, or else the activity that has made up for their absence: this one, if any."""
    return happening.time if CONTACT in customer.causes else customer.contact_at


class Effect(msgspec.Struct, frozen=True, gc=False):
    """The state with the event counted, what the event means in this state, and the causes that it gives and takes."""

    customer: Customer
    kind: EventKind
    gives: frozenset[str] = NO_CAUSES
    takes: Callable[[str], bool] | None = None


EffectFunction: TypeAlias = Callable[[Customer, Happening, Policy, Orders | None], Effect]
"""One function per kind of event; `orders` as for `count`."""
