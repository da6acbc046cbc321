"""What is told of a move: why it happened, by which policy, and the customer right after it."""

from datetime import datetime

from services.lifecycle.domain.outlook import estimate_outlook
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.rules.deadlines import running_deadlines
from services.lifecycle.domain.rules.table import Rule, Trigger
from services.lifecycle.domain.state.customer import Customer, Move, sums
from services.lifecycle.domain.state.happenings import Happening
from shared.events.transitions import EventRef, Evidence, PolicyRef, Profile


def create_move(
    before: Customer,
    after: Customer,
    rule: Rule,
    occasion: Trigger,
    instant: datetime,
    policy: Policy,
) -> Move:
    """The move from one state to the next, with its reason and what is known of the customer."""
    happening = occasion.happening
    assert after.phase is not None  # noqa: S101  (no rule leads back to "not yet known")
    return Move(
        position=after.position,
        from_=before.phase,
        to=after.phase,
        rule=rule.name,
        occurred_at=instant,
        evidence=_evidence(happening, instant),
        policy=PolicyRef(policy.name, policy.version),
        episode=after.episode,
        historical=happening is not None and happening.historical,
        profile=_profile(after, policy, happening, instant),
        since=before.since if before.phase else None,
    )


def _evidence(happening: Happening | None, instant: datetime) -> Evidence:
    if happening is None:
        return Evidence(deadline=instant)
    return Evidence(events=(EventRef(happening.source, happening.id),))


def _profile(
    customer: Customer, policy: Policy, happening: Happening | None, instant: datetime
) -> Profile:
    return Profile(
        orders=customer.orders,
        revenue=sums(customer.revenue),
        margin=sums(customer.margin),
        first_order_at=customer.first_order_at,
        last_order_at=customer.last_order_at,
        deadlines=running_deadlines(customer, policy),
        causes=tuple(sorted(customer.causes)),
        outlook=estimate_outlook(customer, policy, instant),
        order=happening.order if happening else None,
    )
