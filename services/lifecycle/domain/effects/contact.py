"""When the customer was last seen, and the activity that ends a gap in contact."""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects.effect import Effect
from services.lifecycle.domain.state.customer import CONTACT, Customer
from services.lifecycle.domain.state.happenings import EventKind, Happening

_SEEN: Final = EventKind.SEEN


def last_contact(customer: Customer, happening: Happening) -> datetime | None:
    """Return when contact was last made: by this event, if it ends a gap in contact."""
    return happening.time if CONTACT in customer.causes else customer.contact_at


def record_activity(effect: Effect, happening: Happening) -> Effect:
    """Let the act of a customer end a gap in contact, besides its own effect."""
    customer = effect.customer
    if CONTACT in customer.causes:
        return _end_gap(effect, happening)
    if happening.kind is _SEEN:
        seen = replace(customer, contact_at=happening.time)
        return Effect(seen, effect.kind, effect.new_causes, effect.clears)
    return effect


def _end_gap(effect: Effect, happening: Happening) -> Effect:
    clears_more = effect.clears

    def clears(cause: str) -> bool:
        return cause == CONTACT or (clears_more is not None and clears_more(cause))

    seen = replace(effect.customer, contact_at=happening.time)
    return Effect(seen, effect.kind, effect.new_causes, clears)
