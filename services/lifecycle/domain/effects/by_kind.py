"""What an event adds to what is known of a customer, before any rule looks at it: one function per kind of event."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects import contracts, feedback, purchases
from services.lifecycle.domain.effects.effect import NO_CAUSES, Effect, EffectFunction
from services.lifecycle.domain.policy.policy import Policy, later
from services.lifecycle.domain.state.customer import CONTACT, SILENCE, Customer
from services.lifecycle.domain.state.happenings import AccountDetails, EventKind, Happening
from services.lifecycle.domain.state.orders import Orders
from services.lifecycle.domain.state.phases import Phase

_ORDER: Final = EventKind.ORDER
_SEEN: Final = EventKind.SEEN
_AT_RISK: Final = Phase.AT_RISK
"""Names of the module: to look a member up in its class takes ten times as long, several times an event."""


def apply_event(
    customer: Customer, happening: Happening, policy: Policy, orders: Orders | None
) -> Effect:
    """The facts of an event.

    `orders` are those of the whole life, when it is folded from the beginning. Without them an event must not concern
    an order that another event has named already.
    """
    kind = happening.kind
    if kind is _ORDER:  # most events: what it brings, and that it was heard of, in one step
        return _update_causes(purchases.complete_order(customer, happening, policy, orders))
    heard = replace(customer, last_event=happening.key)
    of_kind = EFFECTS.get(kind)
    counted = of_kind(heard, happening, policy, orders) if of_kind else Effect(heard, kind)
    if kind in ACTIVITY:
        counted = _end_contact_gap(counted, happening)
    return _update_causes(counted)


def _update_causes(counted: Effect) -> Effect:
    """The causes of a customer at risk afterwards: without what the occasion takes, with what it gives."""
    customer, takes = counted.customer, counted.takes
    if customer.phase is not _AT_RISK:
        return counted
    kept = (
        customer.causes if takes is None else frozenset(c for c in customer.causes if not takes(c))
    )
    return replace(counted, customer=replace(customer, causes=kept | counted.gives))


# -- activity --------------------------------------------------------------------------------------------------------

CUSTOMER_ACTIONS: Final = frozenset(
    {
        EventKind.ORDER, EventKind.CONCLUDED, EventKind.RENEWED, EventKind.SCORED, EventKind.COMPLAINED, EventKind.SUBSCRIBED, EventKind.SIGNED_UP,
        EventKind.SEEN, EventKind.ACTIVATED, EventKind.ACTIVE,
    }
)  # fmt: skip
"""Events in which the customer has acted, bought, clicked or paid."""
ACTIVITY: Final = CUSTOMER_ACTIONS - {EventKind.ORDER, EventKind.CONCLUDED, EventKind.RENEWED}
"""Activity that ends the fading of contact and nothing else (purchases end more)."""


def _end_contact_gap(counted: Effect, happening: Happening) -> Effect:
    customer, kind, gives, takes = counted.customer, counted.kind, counted.gives, counted.takes
    if CONTACT in customer.causes:
        also = takes or _no_cause
        seen = replace(customer, contact_at=happening.time)
        return Effect(seen, kind, gives, lambda cause: cause == CONTACT or also(cause))
    if happening.kind is _SEEN:
        return Effect(replace(customer, contact_at=happening.time), kind, gives, takes)
    return counted


def _no_cause(_: str) -> bool:
    return False


def _signed_up(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Effect:
    customer = _updated(customer, happening, _, __).customer
    return Effect(
        replace(customer, signed_up_at=customer.signed_up_at or happening.time), EventKind.SIGNED_UP
    )


def _updated(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Effect:
    said = happening.content
    account = said.account if isinstance(said, AccountDetails) else None
    return Effect(replace(customer, account=account or customer.account), happening.kind)


def _activated(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Effect:
    return Effect(
        replace(customer, activated_at=customer.activated_at or happening.time), EventKind.ACTIVATED
    )


EFFECTS: Final[Mapping[EventKind, EffectFunction]] = MappingProxyType(
    {
        EventKind.UNDONE: purchases.undo_order,
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
        EventKind.SIGNED_UP: _signed_up,
        EventKind.ACTIVATED: _activated,
        EventKind.UPDATED: _updated,
    }
)
"""How each kind of event but an order counts; the others leave nothing but that the customer was heard of."""


# -- time ------------------------------------------------------------------------------------------------------------


def apply_deadline(
    customer: Customer, kind: EventKind, instant: datetime, policy: Policy
) -> Effect:
    """The facts of a deadline that passes at `instant`."""
    customer = replace(customer, reached=instant)
    if kind is EventKind.CONTRACT_ENDED:
        ended = {id: c for id, c in customer.contracts.items() if c.end(policy) <= instant}
        return contracts.end_contracts(customer, ended, EventKind.ADMINISTRATIVE)
    gives = NO_CAUSES
    if kind is EventKind.SILENCE:
        gives = frozenset({SILENCE})
    elif kind is EventKind.CONTACT_FADED:
        customer, gives = replace(customer, contact_at=None), frozenset({CONTACT})
    elif kind is EventKind.COMPLAINT_OVERDUE:
        overdue = {
            id: replace(complaint, overdue=True)
            for id, complaint in customer.complaints.items()
            if not (complaint.answered or complaint.overdue)
            and later(complaint.opened_at, policy.complaint_overdue) <= instant
        }
        customer = replace(customer, complaints={**customer.complaints, **overdue})
        gives = frozenset(f"complaint:{id}" for id in overdue)
    return _update_causes(Effect(customer, kind, gives))
