"""What the lifecycle API shows of one customer."""

from typing import Self

from pydantic import BaseModel, Field

from services.lifecycle.api.fields import (
    AS_OF,
    CUSTOMER,
    LABEL,
    LAPSE,
    LAST_ORDER,
    MODEL,
    PHASE,
    VIEW,
    MoneyView,
    NextTransition,
    OutlookView,
    PolicyView,
)
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.customers.snapshot import CustomerSnapshot
from services.lifecycle.domain.outlook import estimate_outlook
from services.lifecycle.domain.phase_models import Model
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import to_money
from services.lifecycle.domain.state.phases import Phase
from shared.http import Instant


class CustomerView(BaseModel):
    """Where a customer stands."""

    customer: str = CUSTOMER
    phase: Phase = PHASE
    model: Model | None = MODEL
    view: str = VIEW
    label: str = LABEL
    since: Instant = Field(description="When the phase was entered.", examples=[LAPSE])
    causes: list[str] = Field(
        description="Why the customer is at risk; empty otherwise.",
        examples=[["complaint:c-17", "silence"]],
    )
    episode: int = Field(description="1 at first, one more with every return.", examples=[1])
    version: int = Field(
        description="How many records have been published for the customer.", examples=[4]
    )
    orders: int = Field(
        description="Number of orders, without those that were undone.", examples=[3]
    )
    revenue: list[MoneyView] = Field(
        description="One sum per currency: all orders, less what was undone."
    )
    first_order_at: Instant | None = Field(
        description="When the first order was completed; null: there is none.",
        examples=["2024-01-02T12:00:00Z"],
    )
    last_order_at: Instant | None = Field(
        description="When the last order was completed; null: there is none.", examples=[LAST_ORDER]
    )
    next_transition: NextTransition | None = Field(
        description="What comes next if nothing happens; null: nothing by time alone."
    )
    policy: PolicyView = Field(description="The policy in force for the customer.")
    outlook: OutlookView | None = Field(
        description="What the cadence model expects; null without a fit, or without an order."
    )
    parked: bool = Field(
        description="An event could not be applied: all wait until somebody releases the customer."
    )
    as_of: Instant = AS_OF

    @classmethod
    def of(cls, snapshot: CustomerSnapshot, policy: Policy, naming: Naming) -> Self:
        """The view of a state that has a phase."""
        customer = snapshot.customer
        phase = customer.phase or Phase.PROSPECT
        view, label = naming.view(phase, snapshot.facts)
        return cls(
            customer=snapshot.id,
            phase=phase,
            model=naming.model,
            view=view,
            label=label,
            since=customer.since,
            causes=sorted(customer.causes),
            episode=customer.episode,
            version=snapshot.version,
            orders=customer.orders,
            revenue=[
                MoneyView(amount=m.amount, currency=m.currency) for m in to_money(customer.revenue)
            ],
            first_order_at=customer.first_order_at,
            last_order_at=customer.last_order_at,
            next_transition=NextTransition.of(snapshot.next_move, snapshot.facts_then, naming),
            policy=PolicyView(name=policy.name, version=policy.version),
            outlook=OutlookView.of(estimate_outlook(customer, policy, snapshot.as_of)),
            parked=snapshot.parked,
            as_of=snapshot.as_of,
        )
