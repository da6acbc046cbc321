"""The fold: a customer's events in order, and the time between them, into phases and the moves between them."""

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from services.lifecycle.domain.customer import Customer, Happening, Kind, Move, sums
from services.lifecycle.domain.phases import Cause, Phase, RuleName
from services.lifecycle.domain.policy import Policy
from services.lifecycle.domain.rules import ON_EVENT, ON_TIME, Rule
from shared.events.transitions import EventRef, Evidence, PolicyRef, Profile

Folded = tuple[Customer, list[Move]]


def fold(happenings: Iterable[Happening], policy: Policy, *, until: datetime | None = None) -> Folded:
    """A customer's whole life: events in any order, and then the deadlines up to `until`."""
    customer, moves = Customer(), list[Move]()
    for happening in sorted(happenings, key=lambda h: h.key):
        customer, more = advance(customer, happening, policy)
        moves += more
    if until is not None:
        customer, more = pass_time(customer, until, policy)
        moves += more
    return customer, moves


def advance(customer: Customer, happening: Happening, policy: Policy) -> Folded:
    """One event that is not late: first the deadlines up to its instant, then what it changes, then the rules."""
    customer, moves = pass_time(customer, happening.time, policy)
    customer = _count(customer, happening)
    used: tuple[RuleName, ...] = ()
    while rule := _firing(customer, happening.kind, used, policy):
        used += (rule.name,)
        evidence = Evidence(events=(EventRef(happening.source, happening.id),))
        customer, move = _fire(customer, rule, happening.time, evidence, policy, happening)
        moves.append(move)
    return _rearm(customer, policy), moves


def pass_time(customer: Customer, until: datetime, policy: Policy) -> Folded:
    """Fire the deadlines up to and including `until`, each at the instant when it was due."""
    moves = list[Move]()
    while customer.due is not None and customer.due <= until:
        instant, rule = next_deadline(customer, policy)
        if instant > until:  # a longer deadline than the state was folded with
            return replace(customer, due=instant), moves
        customer, move = _fire(customer, rule, instant, Evidence(deadline=instant), policy)
        customer = _rearm(customer, policy)
        moves.append(move)
    return customer, moves


def next_deadline(customer: Customer, policy: Policy) -> tuple[datetime, Rule]:
    """The earliest deadline of a customer who has one (`due`), and its rule."""
    found = _next(customer, policy)
    if found is None:
        raise ValueError("this customer has no deadline")
    return found


def _next(customer: Customer, policy: Policy) -> tuple[datetime, Rule] | None:
    first: tuple[datetime, Rule] | None = None
    for rule in ON_TIME[customer.phase]:
        due = rule.due(customer, policy) if rule.due else None
        if due is not None:
            if due < customer.since:
                due = customer.since  # what passed in another phase is due on entering this one
            if first is None or due < first[0]:
                first = due, rule
    return first


def _rearm(customer: Customer, policy: Policy) -> Customer:
    found = _next(customer, policy)
    return replace(customer, due=found[0] if found else None)


def _firing(customer: Customer, kind: Kind, used: tuple[RuleName, ...], policy: Policy) -> Rule | None:
    for rule in ON_EVENT[customer.phase, kind]:
        if rule.name not in used and rule.when(customer, policy):
            return rule
    return None


def _count(customer: Customer, happening: Happening) -> Customer:
    """The facts of an event, before any rule looks at them."""
    order = happening.order
    if order is None:
        return replace(customer, last_event=happening.key)
    currency = order.total.currency
    return replace(
        customer,
        last_event=happening.key,
        orders=customer.orders + 1,
        revenue=_plus(customer.revenue, currency, order.total.amount),
        margin=customer.margin if happening.margin is None else _plus(customer.margin, currency, happening.margin),
        first_order_at=customer.first_order_at or happening.time,
        last_order_at=happening.time,
        orders_since_return=customer.orders_since_return + 1,
        causes=customer.causes - {Cause.SILENCE} if customer.causes else customer.causes,
    )


def _plus(amounts: dict[str, int], currency: str, amount: int) -> dict[str, int]:
    return {**amounts, currency: amounts.get(currency, 0) + amount}


def _enter(customer: Customer, rule: Rule, instant: datetime) -> Customer:
    """The one place where a phase changes."""
    returned, at_risk = rule.name is RuleName.RETURNED, rule.to is Phase.AT_RISK
    return replace(
        customer,
        phase=rule.to or customer.before,
        since=instant,
        position=customer.position + 1,
        episode=customer.episode + returned,
        orders_since_return=1 if returned else customer.orders_since_return,
        before=customer.phase if at_risk else None,
        causes=frozenset({Cause.SILENCE}) if at_risk else frozenset(),
        faded=rule.name is RuleName.PROSPECT_FADED,
    )


def _fire(
    customer: Customer,
    rule: Rule,
    instant: datetime,
    evidence: Evidence,
    policy: Policy,
    happening: Happening | None = None,
) -> tuple[Customer, Move]:
    entered = _enter(customer, rule, instant)
    assert entered.phase is not None  # noqa: S101  (no rule leads back to "not yet known")
    move = Move(
        position=entered.position,
        from_=customer.phase,
        to=entered.phase,
        rule=rule.name,
        occurred_at=instant,
        evidence=evidence,
        policy=PolicyRef(policy.name, policy.version),
        episode=entered.episode,
        historical=happening is not None and happening.historical,
        profile=_profile(entered, policy, happening),
    )
    return entered, move


def _profile(customer: Customer, policy: Policy, happening: Happening | None) -> Profile:
    deadlines = {rule.name: rule.due(customer, policy) for rule in ON_TIME[customer.phase] if rule.due}
    return Profile(
        orders=customer.orders,
        revenue=sums(customer.revenue),
        margin=sums(customer.margin),
        first_order_at=customer.first_order_at,
        last_order_at=customer.last_order_at,
        deadlines={name: max(due, customer.since) for name, due in deadlines.items() if due},
        order=happening.order if happening else None,
    )
