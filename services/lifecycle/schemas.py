"""What the lifecycle API shows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

import msgspec
from pydantic import BaseModel, Field

from services.lifecycle.domain.customer import Customer, Move, sums
from services.lifecycle.domain.outlook import outlook
from services.lifecycle.domain.phases import Phase
from services.lifecycle.domain.policy import Policy
from services.lifecycle.domain.views import Fact, Model, View, view, views
from shared.events.transitions import Outlook, Transition
from shared.http import Instant, Language, Page

MODEL: Final[Any] = Field(description="The model that was asked for; null: the phases themselves.")
VIEW: Final[Any] = Field(description="What the phase is in that model, as of the same instant.")
LABEL: Final[Any] = Field(description="The view in the language of the answer (`Accept-Language`: de or en).")


@dataclass(frozen=True, slots=True)
class Naming:
    """In which model, and in which language, a client wants phases named."""

    model: Model | None
    language: Language

    def view(self, phase: Phase, facts: Collection[Fact]) -> tuple[str, str]:
        """The code of a phase in the model, and its label."""
        found = view(self.model, phase, facts)
        return found.code, self.label(found)

    def label(self, found: View) -> str:
        """The label in the language."""
        return found.german if self.language is Language.GERMAN else found.english


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
    view: str = VIEW
    label: str = LABEL
    rule: str
    at: Instant


class OutlookView(BaseModel):
    """What the cadence model expects of a customer at `as_of`; money in minor units of the policy's currency."""

    p_alive: float = Field(description="Probability that the customer has not dropped out.")
    p_no_purchase: float = Field(description="Probability of no purchase in the policy's horizon_days from now.")
    expected_orders_12m: float = Field(description="Purchases expected in 12 months; several of a day count once.")
    expected_value: float | None = Field(
        description="Value expected of an order, in minor units; null where no values are known."
    )
    clv: float | None = Field(
        description="Customer lifetime value: expected margins of 36 months, discounted to now, in minor units."
    )
    fit: int = Field(description="Version of the fit (`/v1/cadence/fits`) that says so.")

    @classmethod
    def of(cls, found: Outlook | None) -> Self | None:
        """The view of an outlook, where there is one."""
        return None if found is None else cls(**msgspec.structs.asdict(found))


class CustomerView(BaseModel):
    """Where a customer stands. `version` counts the records published for the customer."""

    customer: str
    phase: Phase
    model: Model | None = MODEL
    view: str = VIEW
    label: str = LABEL
    since: Instant
    causes: list[str] = Field(description="Why the customer is at risk; empty otherwise.")
    episode: int = Field(description="1 at first, one more with every return.")
    version: int
    orders: int
    revenue: list[MoneyView] = Field(description="One sum per currency.")
    first_order_at: Instant | None
    last_order_at: Instant | None
    next_transition: NextTransition | None
    policy: PolicyView
    outlook: OutlookView | None = Field(description="What the cadence model expects; null without a fit, or an order.")
    parked: bool = Field(description="Folding failed: events wait until an operator releases the customer.")
    as_of: Instant = Field(description="The clock that this answer was true at.")

    @classmethod
    def of(cls, found: "Standing", policy: Policy, naming: Naming) -> Self:
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
            revenue=[MoneyView(amount=m.amount, currency=m.currency) for m in sums(customer.revenue)],
            first_order_at=customer.first_order_at,
            last_order_at=customer.last_order_at,
            next_transition=_next(found, naming),
            policy=PolicyView(name=policy.name, version=policy.version),
            outlook=OutlookView.of(outlook(customer, policy, found.as_of)),
            parked=found.parked,
            as_of=found.as_of,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer as of an instant; `facts` hold then, `facts_then` at the next move by time alone."""

    id: str
    customer: Customer
    version: int
    parked: bool
    as_of: datetime
    facts: frozenset[Fact]
    next_move: Move | None
    facts_then: frozenset[Fact]


def _next(found: Standing, naming: Naming) -> NextTransition | None:
    move = found.next_move
    if move is None:
        return None
    view, label = naming.view(move.to, found.facts_then)
    return NextTransition(to=move.to, view=view, label=label, rule=move.rule, at=move.occurred_at)


class TransitionView(BaseModel):
    """One transition, with why it happened and what was known then. `withdrawn` is set on voided ones.

    Both phases are viewed as of `occurred_at`.
    """

    customer: str
    version: int
    position: int
    from_: Phase | None = Field(serialization_alias="from", validation_alias="from")
    from_view: str | None = VIEW
    from_label: str | None = LABEL
    to: Phase
    model: Model | None = MODEL
    view: str = VIEW
    label: str = LABEL
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
    def of(cls, transition: Transition, withdrawn: int | None, facts: frozenset[Fact], naming: Naming) -> Self:
        """The view of a stored transition, given what held when it happened."""
        view, label = naming.view(Phase(transition.to), facts)
        names: dict[str, Any] = {"model": naming.model, "view": view, "label": label}
        before = (None, None) if transition.from_ is None else naming.view(Phase(transition.from_), facts)
        names["from_view"], names["from_label"] = before
        return cls.model_validate({**msgspec.to_builtins(transition), **names, "withdrawn": withdrawn})


class HistoryPage(Page[TransitionView]):
    """A part of a customer's history."""

    as_of: Instant = Field(description="The clock of the customer's partition.")


class PhaseCounts(BaseModel):
    """Customers by phase, or by what the phase is in a model, at an instant."""

    as_of: Instant
    model: Model | None = MODEL
    counts: dict[str, int] = Field(description="By the code of the phase, or of the view.")
    labels: dict[str, str] = Field(description="What each code means, in the language of the answer.")

    @classmethod
    def of(cls, as_of: datetime, counts: Mapping[str, int], naming: Naming) -> Self:
        """The counts of a model, those that are 0 too."""
        known = views(naming.model)
        return cls(
            as_of=as_of,
            model=naming.model,
            counts={found.code: counts.get(found.code, 0) for found in known},
            labels={found.code: naming.label(found) for found in known},
        )


class RuleCounts(BaseModel):
    """Transitions of the current histories by rule, up to an instant."""

    as_of: Instant
    counts: dict[str, int]
    total: int


class CauseCounts(BaseModel):
    """Moves to at_risk by the kind of their causes, up to an instant."""

    as_of: Instant
    counts: dict[str, int]


class HintCounts(BaseModel):
    """Hints by name, up to an instant."""

    as_of: Instant
    counts: dict[str, int]
