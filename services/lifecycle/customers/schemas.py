"""What the lifecycle API shows of customers, and of all of them together."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

import msgspec
from pydantic import BaseModel, Field

from services.lifecycle.domain.outlook import estimate_outlook
from services.lifecycle.domain.phase_models import (
    CustomerFact,
    Model,
    PhaseLabel,
    label_for,
    labels_of,
)
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer, Move, sums
from services.lifecycle.domain.state.phases import Phase
from shared.events.transitions import Outlook
from shared.http import Instant, Language

CUSTOMER: Final[Any] = Field(description="The customer's id.", examples=["customer-1"])
PHASE: Final[Any] = Field(description="The phase.", examples=["at_risk"])
MODEL: Final[Any] = Field(
    description="The model that was asked for; null: the phases themselves.", examples=["cxm"]
)
VIEW: Final[Any] = Field(
    description="What the phase is in that model, as of the same instant.", examples=["active"]
)
LABEL: Final[Any] = Field(
    description="The view in the language of the answer (`Accept-Language`: de or en).",
    examples=["active"],
)
AS_OF: Final[Any] = Field(description="The clock that this answer was true at.")
UNTIL: Final[Any] = Field(description="Everything up to this instant is counted.")
MAY: Final = "2024-05-01T12:00:00Z"
LAST_ORDER: Final = "2024-01-21T12:00:00Z"
LAPSE: Final = "2024-04-20T12:00:00Z"
NEXT_LAPSE: Final = "2024-07-19T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Naming:
    """In which model, and in which language, a client wants phases named."""

    model: Model | None
    language: Language

    def view(self, phase: Phase, facts: Collection[CustomerFact]) -> tuple[str, str]:
        """The code of a phase in the model, and its label."""
        found = label_for(self.model, phase, facts)
        return found.code, self.label(found)

    def label(self, found: PhaseLabel) -> str:
        """The label in the language."""
        return found.german if self.language is Language.GERMAN else found.english


class MoneyView(BaseModel):
    """An amount of money."""

    amount: int = Field(description="In integer minor units of the currency.", examples=[17970])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])


class PolicyView(BaseModel):
    """The policy that judges."""

    name: str = Field(description="Its name.", examples=["default"])
    version: int = Field(description="Which version of it.", examples=[1])


class NextTransition(BaseModel):
    """The next transition by time alone, if nothing else happens before."""

    to: Phase = Field(description="The phase that it leads to.", examples=["inactive"])
    view: str = VIEW
    label: str = LABEL
    rule: str = Field(description="The rule that will fire.", examples=["fell_silent"])
    at: Instant = Field(description="When.", examples=[NEXT_LAPSE])


class OutlookView(BaseModel):
    """What the cadence model expects of a customer at `as_of`."""

    p_alive: float = Field(
        description="Probability (0 to 1) that the customer has not dropped out.", examples=[0.71]
    )
    p_no_purchase: float = Field(
        description="Probability (0 to 1) of no purchase in the policy's `horizon_days` from now.",
        examples=[0.66],
    )
    expected_orders_12m: float = Field(
        description="Purchases expected in 12 months; several of a day count once.", examples=[1.4]
    )
    expected_value: float | None = Field(
        description="Value expected of an order, in minor units of the policy's currency; null where no values are "
        "known.",
        examples=[5810.0],
    )
    clv: float | None = Field(
        description="Customer lifetime value: expected margins of 36 months, discounted to now, in minor units of the "
        "policy's currency; null where no values are known.",
        examples=[6230.5],
    )
    fit: int = Field(
        description="Version of the fit (`/v1/cadence/fits`) that says so.", examples=[2]
    )

    @classmethod
    def of(cls, found: Outlook | None) -> Self | None:
        """The view of an outlook, where there is one."""
        return None if found is None else cls(**msgspec.structs.asdict(found))


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
    def of(cls, found: "CustomerSnapshot", policy: Policy, naming: Naming) -> Self:
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
                MoneyView(amount=m.amount, currency=m.currency) for m in sums(customer.revenue)
            ],
            first_order_at=customer.first_order_at,
            last_order_at=customer.last_order_at,
            next_transition=_next(found, naming),
            policy=PolicyView(name=policy.name, version=policy.version),
            outlook=OutlookView.of(estimate_outlook(customer, policy, found.as_of)),
            parked=found.parked,
            as_of=found.as_of,
        )


@dataclass(frozen=True, slots=True)
class CustomerSnapshot:
    """A customer as of an instant; `facts` hold then, `facts_then` at the next move by time alone."""

    id: str
    customer: Customer
    version: int
    parked: bool
    as_of: datetime
    facts: frozenset[CustomerFact]
    next_move: Move | None
    facts_then: frozenset[CustomerFact]


def _next(found: CustomerSnapshot, naming: Naming) -> NextTransition | None:
    move = found.next_move
    if move is None:
        return None
    view, label = naming.view(move.to, found.facts_then)
    return NextTransition(to=move.to, view=view, label=label, rule=move.rule, at=move.occurred_at)


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
