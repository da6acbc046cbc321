"""Applies the rules: which fire on a trigger, what each changes, and how a move is described."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from msgspec.structs import replace

from services.lifecycle.domain.effects.effect import NO_CAUSES
from services.lifecycle.domain.hints import Hint, welcome_hint
from services.lifecycle.domain.outlook import estimate_outlook
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.rules.deadlines import running_deadlines
from services.lifecycle.domain.rules.table import RULES_FOR, Rule
from services.lifecycle.domain.rules.trigger import Trigger
from services.lifecycle.domain.state.customer import Customer, Move, Return, to_money
from services.lifecycle.domain.state.happenings import EventKind, Happening
from services.lifecycle.domain.state.phases import Phase, RuleName
from shared.events.transitions import MOST_CAUSES, EventRef, Evidence, PolicyRef, Profile

_AT_RISK: Final = Phase.AT_RISK
_FIRST_PURCHASE: Final = RuleName.FIRST_PURCHASE
_FIRST_PURCHASE_UNDONE: Final = RuleName.FIRST_PURCHASE_UNDONE
_PROSPECT_FADED: Final = RuleName.PROSPECT_FADED
_ENTHUSIASM_FADED: Final = RuleName.ENTHUSIASM_FADED
_RETURNED: Final = RuleName.RETURNED
_FORM_A_HABIT: Final = (RuleName.HABIT_FORMED, RuleName.SETTLED)
"""Names of the module: looking a member up in its enum takes ten times as long."""

Moved: TypeAlias = tuple[Customer, Sequence[Move], Sequence[Hint]]
"""The state afterwards, and the moves and hints on the way to it."""


def apply_rules(customer: Customer, trigger: Trigger, instant: datetime, policy: Policy) -> Moved:
    """Offer a trigger to the rules of the phase, and after each move to those of the new phase.

    Each rule fires at most once.
    """
    rule = _firing_rule(customer, trigger, (), policy)
    if rule is None:
        return customer, (), ()
    moves: list[Move] = []
    hints: list[Hint] = []
    used: list[RuleName] = []
    while rule is not None:
        used.append(rule.name)
        entered = _enter_phase(customer, rule, trigger, instant, policy)
        moves.append(_describe_move(customer, entered, rule, trigger, instant, policy))
        if rule.name is _FIRST_PURCHASE and not _is_historical(trigger):
            hints.append(welcome_hint(instant))
        customer = entered
        rule = _firing_rule(customer, trigger, used, policy)
    return customer, moves, hints


def _firing_rule(
    customer: Customer, trigger: Trigger, used: Sequence[RuleName], policy: Policy
) -> Rule | None:
    """Return the first rule of the table that fires and has not been used yet."""
    for rule in RULES_FOR[customer.phase, trigger.kind]:
        if rule.name not in used and rule.when(customer, trigger, policy):
            return rule
    return None


def _enter_phase(
    customer: Customer, rule: Rule, trigger: Trigger, instant: datetime, policy: Policy
) -> Customer:
    """Change the phase, which nothing else does."""
    entered = replace(
        customer,
        phase=rule.target(customer, policy),
        since=instant,
        reached=instant,
        position=customer.position + 1,
        before=customer.phase if rule.to is _AT_RISK else None,
        causes=trigger.new_causes if rule.to is _AT_RISK else NO_CAUSES,
        faded=rule.name is _PROSPECT_FADED,
    )
    if rule.name is _FIRST_PURCHASE:
        return replace(_begin_count(entered, trigger), returned=None)
    if rule.name is _RETURNED:
        return _begin_episode(_begin_count(entered, trigger), customer, trigger)
    if rule.name is _FIRST_PURCHASE_UNDONE and customer.returned:
        return replace(entered, since=customer.returned.since, returned=None)
    if rule.name is _ENTHUSIASM_FADED:
        return replace(entered, evidence={})
    if rule.name in _FORM_A_HABIT:
        return replace(entered, has_undone=False)
    return entered


def _begin_count(entered: Customer, trigger: Trigger) -> Customer:
    """Count orders and contracts anew, beginning with the one that has led to this phase.

    Nothing that was undone before undoes a habit from here on.
    """
    by_order = trigger.bought_at is not None
    return replace(
        entered,
        orders_since_return=entered.orders,
        contracts_since_return=int(not by_order),
        renewed_since_return=trigger.kind is EventKind.RENEWED,
        has_undone=False,
    )


def _begin_episode(entered: Customer, before: Customer, trigger: Trigger) -> Customer:
    """Count only the orders that were bought with the return, which may be several."""
    assert before.phase is not None  # noqa: S101  (only the inactive and the former return)
    assert trigger.orders is not None  # noqa: S101  (no deadline brings a customer back)
    bought_at = trigger.bought_at or before.last_event[0]
    return replace(
        entered,
        episode=before.episode + 1,
        returned=Return(bought_at, before.phase, before.since),
        orders_since_return=trigger.orders.orders.standing_since(bought_at),
    )


def _describe_move(
    before: Customer,
    after: Customer,
    rule: Rule,
    trigger: Trigger,
    instant: datetime,
    policy: Policy,
) -> Move:
    """Describe the move between two states: its reason, and the customer right after it."""
    assert after.phase is not None  # noqa: S101  (no rule leads back to "not yet known")
    return Move(
        position=after.position,
        from_=before.phase,
        to=after.phase,
        rule=rule.name,
        occurred_at=instant,
        evidence=_evidence(trigger.happening, instant),
        policy=PolicyRef(policy.name, policy.version),
        episode=after.episode,
        historical=_is_historical(trigger),
        profile=_profile(after, policy, trigger.happening, instant),
        since=before.since if before.phase else None,
    )


def _is_historical(trigger: Trigger) -> bool:
    return trigger.happening is not None and trigger.happening.historical


def _evidence(happening: Happening | None, instant: datetime) -> Evidence:
    if happening is None:
        return Evidence(deadline=instant)
    return Evidence(events=(EventRef(happening.source, happening.id),))


def _profile(
    customer: Customer, policy: Policy, happening: Happening | None, instant: datetime
) -> Profile:
    causes = _first_causes(customer.causes)
    return Profile(
        orders=customer.orders,
        revenue=to_money(customer.revenue),
        margin=to_money(customer.margin),
        first_order_at=customer.first_order_at,
        last_order_at=customer.last_order_at,
        deadlines=running_deadlines(customer, policy),
        causes=causes,
        more_causes=len(customer.causes) - len(causes),
        outlook=estimate_outlook(customer, policy, instant),
        order=happening.order if happening else None,
    )


def _first_causes(causes: Collection[str]) -> tuple[str, ...]:
    """Return the first of the causes, in order: of many at least one of each kind."""
    ordered = sorted(causes)
    if len(ordered) > MOST_CAUSES:
        one_of_each = {cause.partition(":")[0]: cause for cause in reversed(ordered)}
        ordered = sorted([*dict.fromkeys([*one_of_each.values(), *ordered])][:MOST_CAUSES])
    return tuple(ordered)
