"""What the lifecycle API shows."""

from datetime import datetime
from typing import Any, Self

import msgspec
from pydantic import BaseModel, Field

from services.lifecycle.domain.customer import Customer, sums
from services.lifecycle.domain.fold import next_deadline
from services.lifecycle.domain.phases import Phase
from services.lifecycle.domain.policy import Policy
from shared.events.transitions import Transition
from shared.http import Instant, Page


class MoneyView(BaseModel):
    """An amount in integer minor units of a currency (ISO 4217)."""

    amount: int
    currency: str


class PolicyView(BaseModel):
    """The policy that judges."""

    name: str
    version: int


class NextTransition(BaseModel):
    """The next transition by time alone, if nothing else happens before."""

    to: Phase
    rule: str
    at: Instant


class CustomerView(BaseModel):
    """Where a customer stands. `version` counts the records published for the customer."""

    customer: str
    phase: Phase
    since: Instant
    episode: int = Field(description="1 at first, one more with every return.")
    version: int
    orders: int
    revenue: list[MoneyView] = Field(description="One sum per currency.")
    first_order_at: Instant | None
    last_order_at: Instant | None
    next_transition: NextTransition | None
    policy: PolicyView
    parked: bool = Field(description="Folding failed: events wait until an operator releases the customer.")
    as_of: Instant = Field(description="The clock that this answer was true at.")

    @classmethod
    def of(cls, id: str, customer: Customer, version: int, *, parked: bool, policy: Policy, clock: datetime) -> Self:  # noqa: A002
        """The view of a state that has a phase."""
        return cls(
            customer=id,
            phase=customer.phase or Phase.PROSPECT,
            since=customer.since,
            episode=customer.episode,
            version=version,
            orders=customer.orders,
            revenue=[MoneyView(amount=m.amount, currency=m.currency) for m in sums(customer.revenue)],
            first_order_at=customer.first_order_at,
            last_order_at=customer.last_order_at,
            next_transition=_next(customer, policy),
            policy=PolicyView(name=policy.name, version=policy.version),
            parked=parked,
            as_of=max(clock, customer.since, customer.last_event[0]),
        )


def _next(customer: Customer, policy: Policy) -> NextTransition | None:
    if customer.due is None:
        return None
    at, rule = next_deadline(customer, policy)
    to = rule.to or customer.before
    return NextTransition(to=to, rule=rule.name, at=at) if to else None


class TransitionView(BaseModel):
    """One transition, with why it happened and what was known then. `withdrawn` is set on voided ones."""

    customer: str
    version: int
    position: int
    from_: Phase | None = Field(serialization_alias="from", validation_alias="from")
    to: Phase
    rule: str
    occurred_at: Instant
    recorded_at: Instant
    evidence: dict[str, Any] = Field(description="`events` (source, id), or the `deadline` that passed.")
    policy: PolicyView
    episode: int
    historical: bool
    profile: dict[str, Any]
    withdrawn: int | None = Field(default=None, description="Version of the correction that voided it.")

    @classmethod
    def of(cls, row: tuple[Transition, int | None]) -> Self:
        """The view of a stored transition."""
        transition, withdrawn = row
        return cls.model_validate({**msgspec.to_builtins(transition), "withdrawn": withdrawn})


class HistoryPage(Page[TransitionView]):
    """A part of a customer's history."""

    as_of: Instant = Field(description="The clock of the customer's partition.")


class PhaseCounts(BaseModel):
    """Customers by phase at an instant."""

    as_of: Instant
    counts: dict[Phase, int]


class RuleCounts(BaseModel):
    """Transitions of the current histories by rule, up to an instant."""

    as_of: Instant
    counts: dict[str, int]
    total: int
