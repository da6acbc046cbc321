"""What each kind of event and of deadline changes in a customer, before any rule looks at it."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects import account, contracts, deadlines, feedback, purchases
from services.lifecycle.domain.effects.contact import record_activity
from services.lifecycle.domain.effects.effect import (
    DeadlineEffect,
    Effect,
    EventEffect,
    update_causes,
)
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import ACTIVITY, EventKind, Happening
from shared.orders.book import OrderBook

EVENT_EFFECTS: Final[Mapping[EventKind, EventEffect]] = MappingProxyType(
    {
        EventKind.ORDER: purchases.change_order,
        EventKind.ORDER_CHANGED: purchases.change_order,
        EventKind.UNDONE: purchases.change_order,
        EventKind.CONCLUDED: contracts.conclude_contract,
        EventKind.RENEWED: contracts.renew_contract,
        EventKind.CANCELLED: contracts.cancel_contract,
        EventKind.SCORED: feedback.record_score,
        EventKind.RECOMMENDED: feedback.record_referral,
        EventKind.ANNULLED: feedback.annul_referral,
        EventKind.COMPLAINED: feedback.open_complaint,
        EventKind.ANSWERED: feedback.answer_complaint,
        EventKind.RESOLVED: feedback.resolve_complaint,
        EventKind.SUBSCRIBED: feedback.subscribe,
        EventKind.UNSUBSCRIBED: feedback.unsubscribe,
        EventKind.SIGNED_UP: account.sign_up,
        EventKind.UPDATED: account.update_account,
        EventKind.CLOSED: account.close_account,
        EventKind.ACTIVATED: account.activate_product,
    }
)
"""Events of any other kind change only when the customer was last heard of."""

DEADLINE_EFFECTS: Final[Mapping[EventKind, DeadlineEffect]] = MappingProxyType(
    {
        EventKind.SILENCE: deadlines.begin_silence,
        EventKind.COMPLAINT_OVERDUE: deadlines.mark_overdue_complaints,
        EventKind.CONTACT_FADED: deadlines.fade_contact,
        EventKind.CONTRACT_ENDED: deadlines.end_due_contracts,
    }
)
"""Other deadlines change nothing by themselves."""

_ORDER: Final = EventKind.ORDER
"""A name of the module: looking a member up in its enum takes ten times as long."""


def apply_event(
    customer: Customer, happening: Happening, policy: Policy, orders: OrderBook | None
) -> Effect:
    """Return the effect of an event.

    `orders` are needed for events about orders: all those of the customer, or the recent ones.
    Raises OrdersIncompleteError if these are not enough.
    """
    kind = happening.kind
    if kind is _ORDER:  # the most frequent kind: it notes in one step that the event was seen
        return update_causes(purchases.change_order(customer, happening, policy, orders))
    seen = replace(customer, last_event=happening.key)
    effect_of = EVENT_EFFECTS.get(kind)
    effect = effect_of(seen, happening, policy, orders) if effect_of else Effect(seen, kind)
    if kind in ACTIVITY:
        effect = record_activity(effect, happening)
    return update_causes(effect)


def apply_deadline(
    customer: Customer, kind: EventKind, instant: datetime, policy: Policy
) -> Effect:
    """Return the effect of a deadline that passes at `instant`."""
    reached = replace(customer, reached=instant)
    effect_of = DEADLINE_EFFECTS.get(kind)
    effect = effect_of(reached, instant, policy) if effect_of else Effect(reached, kind)
    return update_causes(effect)
