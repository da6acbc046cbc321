"""The conditions of rules: what must hold of customer, trigger and policy for a rule to fire.

A condition sees the customer with the effect of the trigger already applied.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.rules.trigger import Trigger
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import EventKind, Score
from services.lifecycle.domain.state.phases import Phase

Condition: TypeAlias = Callable[[Customer, Trigger, Policy], bool]

LUKEWARM: Final = 8
"""The highest NPS that ends enthusiasm."""


def always(_: Customer, __: Trigger, ___: Policy) -> bool:
    """Fire without any further condition."""
    return True


def never_bought_before(customer: Customer, trigger: Trigger, _: Policy) -> bool:
    """Is it the first purchase? Of the unknown and of prospects, any purchase counts as that."""
    if customer.phase in (None, Phase.PROSPECT):
        return True
    return customer.purchases == 1 and _bought_in_phase(customer, trigger)


def bought_before(customer: Customer, trigger: Trigger, _: Policy) -> bool:
    """Was there a purchase before this one? A renewed contract was concluded before."""
    is_further = customer.purchases > 1 or trigger.kind is EventKind.RENEWED
    return is_further and _bought_in_phase(customer, trigger)


def _bought_in_phase(customer: Customer, trigger: Trigger) -> bool:
    """Is it a purchase of this phase, not an earlier one that stands again?"""
    if trigger.kind is not EventKind.RESTORED or trigger.bought_at is None:
        return True
    return trigger.bought_at > customer.since


def unknown_or_faded(customer: Customer, _: Trigger, __: Policy) -> bool:
    """Is the customer not known yet, or a faded prospect, whom any sign of life brings back?"""
    return customer.phase is None or customer.faded


def buys_habitually(customer: Customer, _: Trigger, policy: Policy) -> bool:
    """Are there enough orders, or was a contract renewed, in this phase or before?"""
    return customer.orders >= policy.established_after_orders or customer.has_renewed


def has_settled(customer: Customer, _: Trigger, policy: Policy) -> bool:
    """Are there enough orders since the return, or was a contract renewed, in whatever phase?"""
    return (
        customer.renewed_since_return or customer.orders_since_return >= policy.settle_after_orders
    )


def referral_or_praise(customer: Customer, trigger: Trigger, _: Policy) -> bool:
    """Is it a referral, or praise by an established customer?"""
    return trigger.kind is EventKind.RECOMMENDED or customer.phase is Phase.ESTABLISHED


def no_longer_enthusiastic(customer: Customer, trigger: Trigger, _: Policy) -> bool:
    """Is the evidence too old, is the last of it annulled, or is the new NPS lukewarm?"""
    if trigger.kind is EventKind.ADVOCACY_AGED:
        return True
    if trigger.kind is EventKind.ANNULLED:
        return not customer.evidence
    score = trigger.happening.details if trigger.happening else None
    return isinstance(score, Score) and score.kind == "nps" and score.score <= LUKEWARM


def brings_a_cause(_: Customer, trigger: Trigger, __: Policy) -> bool:
    """Does the trigger bring a cause of being at risk?"""
    return bool(trigger.new_causes)


def no_cause_left(customer: Customer, _: Trigger, __: Policy) -> bool:
    """Does nothing put the customer at risk any more?"""
    return not customer.causes


def habit_is_undone(customer: Customer, _: Trigger | None, policy: Policy) -> bool:
    """Was an order undone, and are too few left to make a habit? No trigger matters to that."""
    if not customer.has_undone:
        return False
    if customer.returned is None:
        return customer.orders < policy.established_after_orders and not customer.has_renewed
    is_settled = customer.orders_since_return >= policy.settle_after_orders
    return not (is_settled or customer.renewed_since_return)


def no_purchase_left(customer: Customer, _: Trigger, __: Policy) -> bool:
    """Since the first purchase or the return, is every order undone and no contract concluded?"""
    return customer.orders_since_return == 0 and customer.contracts_since_return == 0
