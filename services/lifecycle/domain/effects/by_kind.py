"""What an event adds to what is known of a customer, before any rule looks at it: one function per kind of event."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects import contracts, feedback, purchases
from services.lifecycle.domain.effects.effect import NOTHING, Effect, EffectOf
from services.lifecycle.domain.policy.policy import Policy, later
from services.lifecycle.domain.state.customer import CONTACT, SILENCE, Customer
from services.lifecycle.domain.state.happenings import Details, Happening, Kind
from services.lifecycle.domain.state.orders import Orders
from services.lifecycle.domain.state.phases import Phase

_ORDER: Final = Kind.ORDER
_SEEN: Final = Kind.SEEN
_AT_RISK: Final = Phase.AT_RISK
"""Names of the module: to look a member up in its class takes ten times as long, several times an event."""


def count(
    customer: Customer, happening: Happening, policy: Policy, orders: Orders | None
) -> Effect:
    """The facts of an event.

    `orders` are those of the whole life, when it is folded from the beginning. Without them an event must not concern
    an order that another event has named already.
    """
    kind = happening.kind
    if kind is _ORDER:  # most events: what it brings, and that it was heard of, in one step
        return _weigh(purchases.completed(customer, happening, policy, orders))
    heard = replace(customer, last_event=happening.key)
    of_kind = COUNTING.get(kind)
    counted = of_kind(heard, happening, policy, orders) if of_kind else Effect(heard, kind)
    if kind in LIVELY:
        counted = _lively(counted, happening)
    return _weigh(counted)


def _weigh(counted: Effect) -> Effect:
    """The causes of a customer at risk afterwards: without what the occasion takes, with what it gives."""
    customer, takes = counted.customer, counted.takes
    if customer.phase is not _AT_RISK:
        return counted
    kept = (
        customer.causes if takes is None else frozenset(c for c in customer.causes if not takes(c))
    )
    return replace(counted, customer=replace(customer, causes=kept | counted.gives))


# -- activity --------------------------------------------------------------------------------------------------------

ACTS: Final = frozenset(
    {
        Kind.ORDER, Kind.CONCLUDED, Kind.RENEWED, Kind.SCORED, Kind.COMPLAINED, Kind.SUBSCRIBED, Kind.SIGNED_UP,
        Kind.SEEN, Kind.ACTIVATED, Kind.ACTIVE,
    }
)  # fmt: skip
"""Events in which the customer has acted, bought, clicked or paid."""
LIVELY: Final = ACTS - {Kind.ORDER, Kind.CONCLUDED, Kind.RENEWED}
"""Activity that ends the fading of contact and nothing else (purchases end more)."""


def _lively(counted: Effect, happening: Happening) -> Effect:
    customer, kind, gives, takes = counted.customer, counted.kind, counted.gives, counted.takes
    if CONTACT in customer.causes:
        also = takes or _nothing
        seen = replace(customer, contact_at=happening.time)
        return Effect(seen, kind, gives, lambda cause: cause == CONTACT or also(cause))
    if happening.kind is _SEEN:
        return Effect(replace(customer, contact_at=happening.time), kind, gives, takes)
    return counted


def _nothing(_: str) -> bool:
    return False


def _signed_up(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Effect:
    customer = _updated(customer, happening, _, __).customer
    return Effect(
        replace(customer, signed_up_at=customer.signed_up_at or happening.time), Kind.SIGNED_UP
    )


def _updated(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Effect:
    said = happening.content
    account = said.account if isinstance(said, Details) else None
    return Effect(replace(customer, account=account or customer.account), happening.kind)


def _activated(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Effect:
    return Effect(
        replace(customer, activated_at=customer.activated_at or happening.time), Kind.ACTIVATED
    )


COUNTING: Final[Mapping[Kind, EffectOf]] = MappingProxyType(
    {
        Kind.UNDONE: purchases.undone,
        Kind.CONCLUDED: contracts.concluded,
        Kind.RENEWED: contracts.renewed,
        Kind.CANCELLED: contracts.cancelled,
        Kind.SCORED: feedback.scored,
        Kind.RECOMMENDED: feedback.recommended,
        Kind.ANNULLED: feedback.annulled,
        Kind.COMPLAINED: feedback.complained,
        Kind.ANSWERED: feedback.answered,
        Kind.RESOLVED: feedback.resolved,
        Kind.SUBSCRIBED: feedback.subscribed,
        Kind.UNSUBSCRIBED: feedback.unsubscribed,
        Kind.SIGNED_UP: _signed_up,
        Kind.ACTIVATED: _activated,
        Kind.UPDATED: _updated,
    }
)
"""How each kind of event but an order counts; the others leave nothing but that the customer was heard of."""


# -- time ------------------------------------------------------------------------------------------------------------


def count_time(customer: Customer, kind: Kind, instant: datetime, policy: Policy) -> Effect:
    """The facts of a deadline that passes at `instant`."""
    customer = replace(customer, reached=instant)
    if kind is Kind.CONTRACT_ENDED:
        ended = {id: c for id, c in customer.contracts.items() if c.end(policy) <= instant}
        return contracts.without(customer, ended, Kind.ADMINISTRATIVE)
    gives = NOTHING
    if kind is Kind.SILENCE:
        gives = frozenset({SILENCE})
    elif kind is Kind.CONTACT_FADED:
        customer, gives = replace(customer, contact_at=None), frozenset({CONTACT})
    elif kind is Kind.COMPLAINT_OVERDUE:
        overdue = {
            id: replace(complaint, overdue=True)
            for id, complaint in customer.complaints.items()
            if not (complaint.answered or complaint.overdue)
            and later(complaint.opened_at, policy.complaint_overdue) <= instant
        }
        customer = replace(customer, complaints={**customer.complaints, **overdue})
        gives = frozenset(f"complaint:{id}" for id in overdue)
    return _weigh(Effect(customer, kind, gives))
