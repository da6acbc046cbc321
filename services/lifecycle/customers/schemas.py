"""What the lifecycle API shows of customers, and of all of them together."""

from collections.abc import Mapping
from datetime import datetime
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
    UNTIL,
    VIEW,
    MoneyView,
    NextTransition,
    OutlookView,
    PolicyView,
)
from services.lifecycle.api.naming import Naming
from services.lifecycle.customers.snapshot import CustomerSnapshot
from services.lifecycle.domain.outlook import estimate_outlook
from services.lifecycle.domain.phase_models import Model, labels_of
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
        description="Number of orders, those that were undone left out.", examples=[3]
    )
    revenue: list[MoneyView] = Field(
        description="One sum per currency, of all orders less what was undone."
    )
    first_order_at: Instant | None = Field(
        description="When the first order was completed; null: there is none.",
        examples=["2024-01-02T12:00:00Z"],
    )
    last_order_at: Instant | None = Field(
        description="When the last one was; null: there is none.", examples=[LAST_ORDER]
    )
    next_transition: NextTransition | None = Field(
        description="What comes next if nothing happens; null: nothing by time alone."
    )
    policy: PolicyView = Field(description="The policy in force for the customer.")
    outlook: OutlookView | None = Field(
        description="What the cadence model expects; null without a fit, or an order."
    )
    parked: bool = Field(
        description="Folding failed: events wait until an operator releases the customer."
    )
    as_of: Instant = AS_OF

    @classmethod
    def of(cls, found: CustomerSnapshot, policy: Policy, naming: Naming) -> Self:
        """The view of a state that has a phase."""
        customer, phase = found.customer, found.customer.phase or Phase.PROSPECT
        view, label = naming.view(phase, found.facts)
        return cls(
            customer=found.id,
            phase=phase,
            model=naming.model,
            view=view,
            label=label,
            since=customer.since,
            causes=sorted(customer.causes),
            episode=customer.episode,
            version=found.version,
            orders=customer.orders,
            revenue=[
                MoneyView(amount=m.amount, currency=m.currency) for m in to_money(customer.revenue)
            ],
            first_order_at=customer.first_order_at,
            last_order_at=customer.last_order_at,
            next_transition=NextTransition.of(found.next_move, found.facts_then, naming),
            policy=PolicyView(name=policy.name, version=policy.version),
            outlook=OutlookView.of(estimate_outlook(customer, policy, found.as_of)),
            parked=found.parked,
            as_of=found.as_of,
        )


class PhaseCounts(BaseModel):
    """Customers by phase, or by what the phase is in a model, at an instant."""

    as_of: Instant = Field(description="The instant.")
    model: Model | None = MODEL
    counts: dict[str, int] = Field(
        description="Number of customers by the code of the phase, or of the view; those with none too.",
        examples=[{"initiation": 40, "active": 310, "passive": 95}],
    )
    labels: dict[str, str] = Field(
        description="What each code means, in the language of the answer.",
        examples=[{"initiation": "Anbahnung", "active": "aktiv", "passive": "passiv"}],
    )

    @classmethod
    def of(cls, as_of: datetime, counts: Mapping[str, int], naming: Naming) -> Self:
        """The counts of a model, those that are 0 too."""
        known = labels_of(naming.model)
        return cls(
            as_of=as_of,
            model=naming.model,
            counts={found.code: counts.get(found.code, 0) for found in known},
            labels={found.code: naming.label(found) for found in known},
        )


class RuleCounts(BaseModel):
    """Transitions of the current histories by rule, up to an instant."""

    as_of: Instant = UNTIL
    counts: dict[str, int] = Field(
        description="Number of transitions by rule.",
        examples=[{"first_purchase": 405, "silence_begins": 122}],
    )
    total: int = Field(description="Number of all of them.", examples=[527])


class CauseCounts(BaseModel):
    """Moves to at_risk by the kind of their causes, up to an instant."""

    as_of: Instant = UNTIL
    counts: dict[str, int] = Field(
        description="Number of moves by kind of cause; one move may have several.",
        examples=[{"silence": 122, "complaint": 9}],
    )


class HintCounts(BaseModel):
    """Hints by name, up to an instant."""

    as_of: Instant = UNTIL
    counts: dict[str, int] = Field(
        description="Number of hints by name.",
        examples=[{"survey.due": 405, "phase.change_due": 118}],
    )
