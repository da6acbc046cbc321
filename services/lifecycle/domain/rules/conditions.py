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
    """Hold without any further condition."""
    return True


def never_bought_before(customer: Customer, _: Trigger, __: Policy) -> bool:
    """Any purchase of the unknown and of prospects; of others only their very first."""
    return customer.phase in (None, Phase.PROSPECT) or customer.purchases == 1


def bought_before(customer: Customer, trigger: Trigger, _: Policy) -> bool:
    """Not the first purchase ever; a renewed contract was concluded before."""
    return customer.purchases > 1 or trigger.kind is EventKind.RENEWED


def unknown_or_faded(customer: Customer, _: Trigger, __: Policy) -> bool:
    """Not known yet, or a faded prospect, who becomes one again by any sign of life."""
    return customer.phase is None or customer.faded


def buys_habitually(customer: Customer, _: Trigger, policy: Policy) -> bool:
    """Enough orders to be established, or a contract renewed, even if that was while at risk."""
    return customer.orders >= policy.established_after_orders or customer.has_renewed


def has_settled(customer: Customer, trigger: Trigger, policy: Policy) -> bool:
    """Enough orders since the return, even if made while at risk, or a contract renewed now."""
    return (
        trigger.kind is EventKind.RENEWED
        or customer.orders_since_return >= policy.settle_after_orders
    )


def referral_or_praise(customer: Customer, trigger: Trigger, _: Policy) -> bool:
    """A referral in any phase, praise only by an established customer."""
    return trigger.kind is EventKind.RECOMMENDED or customer.phase is Phase.ESTABLISHED


def no_longer_enthusiastic(customer: Customer, trigger: Trigger, _: Policy) -> bool:
    """The evidence is too old, the only evidence was annulled, or an NPS says so."""
    if trigger.kind is EventKind.ADVOCACY_AGED:
        return True
    if trigger.kind is EventKind.ANNULLED:
        return not customer.evidence
    score = trigger.happening.details if trigger.happening else None
    return isinstance(score, Score) and score.kind == "nps" and score.score <= LUKEWARM


def brings_a_cause(_: Customer, trigger: Trigger, __: Policy) -> bool:
    """The trigger is a cause of being at risk."""
    return bool(trigger.new_causes)


def no_cause_left(customer: Customer, _: Trigger, __: Policy) -> bool:
    """Nothing puts the customer at risk any more."""
    return not customer.causes


def no_purchase_left(customer: Customer, _: Trigger, __: Policy) -> bool:
    """Every order since the first or the return is undone, and no contract was concluded since."""
    return customer.orders_since_return == 0 and customer.contracts_since_return == 0
