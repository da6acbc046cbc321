"""What the lifecycle API shows of reasons: phases of any time, explanations."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self, TypeAlias

import msgspec
from pydantic import BaseModel, Field

from services.lifecycle.api.events import EventView
from services.lifecycle.api.fields import (
    CUSTOMER,
    LABEL,
    LAPSE,
    MODEL,
    NEXT_LAPSE,
    VIEW,
    OutlookView,
)
from services.lifecycle.api.naming import Naming
from services.lifecycle.api.transitions import TransitionView
from services.lifecycle.customers.schemas import CustomerView
from services.lifecycle.customers.snapshot import CustomerSnapshot
from services.lifecycle.domain.outlook import estimate_outlook
from services.lifecycle.domain.phase_models import CustomerFact, Model
from services.lifecycle.domain.rules.table import Rule
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.domain.words.causes import describe_cause, remedy_for
from services.lifecycle.domain.words.requirements import Requirement
from services.lifecycle.domain.words.rules import open_rules
from services.lifecycle.domain.words.standpoint import Standpoint
from services.lifecycle.explain import sentences
from services.lifecycle.explain.repository import PhaseThen, StoredEvent
from shared.events.transitions import Transition
from shared.http import Instant

Reason: TypeAlias = Literal["not_yet_customer", "not_yet_known"]


class PhaseAt(BaseModel):
    """What held of a customer at `as_of`, as it was known when the clock stood at `known_at`."""

    customer: str = CUSTOMER
    phase: Phase | None = Field(
        default=None, description="null: none, for this `reason`.", examples=["at_risk"]
    )
    model: Model | None = MODEL
    view: str | None = Field(
        default=None,
        description="What the phase is in that model, by what was known then.",
        examples=["active"],
    )
    label: str | None = Field(
        default=None, description="The view in the language of the answer.", examples=["active"]
    )
    since: Instant | None = Field(
        default=None,
        description="When the phase had been entered; null: there was none.",
        examples=[LAPSE],
    )
    episode: int | None = Field(
        default=None, description="1 at first, one more with every return.", examples=[1]
    )
    rule: str | None = Field(
        default=None, description="The rule that led to the phase.", examples=["silence_begins"]
    )
    version: int | None = Field(
        default=None,
        description="Number of the record that published that transition.",
        examples=[4],
    )
    position: int | None = Field(
        default=None,
        description="Of that transition in the history as known then, from 1.",
        examples=[4],
    )
    reason: Reason | None = Field(
        default=None,
        description="Why there is no phase: the customer's first one came after `as_of`, as far as known then;"
        " or nothing had been recorded of the customer by `known_at`. null: there is a phase.",
    )
    as_of: Instant = Field(
        description="The instant asked for, or the clock of the customer's partition."
    )
    known_at: Instant = Field(description="The state of that clock asked for, or the present one.")

    @classmethod
    def of(
        cls, question: "PhaseQuestion", phase: PhaseThen, facts: Collection[CustomerFact]
    ) -> Self:
        """The phase that a transition led to."""
        t, naming = phase.transition, question.naming
        view, label = naming.view(Phase(t.to), facts)
        return cls(
            customer=question.customer,
            phase=Phase(t.to),
            model=naming.model,
            view=view,
            label=label,
            since=phase.since,
            episode=t.episode,
            rule=t.rule,
            version=t.version,
            position=t.position,
            as_of=question.as_of,
            known_at=question.known_at,
        )

    @classmethod
    def none(cls, question: "PhaseQuestion", reason: Reason) -> Self:
        """No phase."""
        instants = {"as_of": question.as_of, "known_at": question.known_at}
        return cls(
            customer=question.customer, model=question.naming.model, reason=reason, **instants
        )


@dataclass(frozen=True, slots=True)
class PhaseQuestion:
    """Whose phase at which instant, as known when."""

    customer: str
    as_of: datetime
    known_at: datetime
    naming: Naming


# -- explanations ----------------------------------------------------------------------------------------------------


class EvidenceView(BaseModel):
    """Why the customer is in the phase: the events themselves, or the deadline that passed."""

    because: str = Field(description="In words.", examples=["no order for 90 days"])
    events: list[EventView] = Field(description="The events; empty: time alone.")
    deadline: Instant | None = Field(
        description="The deadline that passed; null: it was an event.", examples=[LAPSE]
    )


class CauseView(BaseModel):
    """One cause of being at risk."""

    cause: str = Field(description="Its code.", examples=["silence"])
    means: str = Field(
        description="In words.", examples=["no order within the time that the policy allows"]
    )
    ends_with: str = Field(
        description="What clears it, in words.", examples=["an order or a contract"]
    )


class WayView(BaseModel):
    """One way in which the rule may fire: what is lacking, and the events or the deadline that bring it."""

    lacks: str = Field(
        description="What is lacking, in words.", examples=["no order until 2024-07-19T12:00:00Z"]
    )
    on: list[str] = Field(
        description="Types of event; empty: time alone.", examples=[["order.completed"]]
    )
    deadline: Instant | None = Field(
        description="When time alone fires it; null: it takes an event.", examples=[NEXT_LAPSE]
    )

    @classmethod
    def of(cls, way: Requirement) -> Self:
        """The view of a way."""
        return cls(lacks=way.lacks, on=sentences.event_types(way.on), deadline=way.deadline)


class OpenRule(BaseModel):
    """A rule that could fire next, and each way to it: any one of them is enough."""

    rule: str = Field(description="The rule.", examples=["fell_silent"])
    to: Phase = Field(description="The phase that it leads to.", examples=["inactive"])
    view: str = VIEW
    label: str = LABEL
    ways: list[WayView] = Field(description="Any one of them is enough.")


class CadenceOutlook(OutlookView):
    """What the cadence model expects of the customer, with what it is measured in."""

    horizon_days: int = Field(
        description="The days ahead that `p_no_purchase` is about.", examples=[180]
    )
    currency: str = Field(description="ISO 4217: that of the values.", examples=["EUR"])


class Explanation(CustomerView):
    """Where a customer stands, why, and what each rule lacks that could fire next."""

    summary: str = Field(
        description="One to three English sentences to read out.",
        examples=["customer-1 has been at risk since 20 April 2024: no order for 90 days."],
    )
    transition: TransitionView = Field(description="What led to the phase.")
    evidence: EvidenceView = Field(description="Why the customer is in the phase.")
    at_risk_by: list[CauseView] = Field(description="The causes in words.")
    rules: list[OpenRule] = Field(
        description="Those that could fire next, in the order of the table of rules."
    )
    cadence: CadenceOutlook | None = Field(
        description="null: no fit is in force, or there is no order."
    )


@dataclass(frozen=True, slots=True)
class ExplainedCustomer:
    """What an explanation is made of; `facts` held when the transition happened that led to the phase."""

    snapshot: CustomerSnapshot
    standpoint: Standpoint
    transition: Transition
    facts: frozenset[CustomerFact]
    evidence: Sequence[StoredEvent]
    naming: Naming

    def view(self) -> Explanation:
        """The answer."""
        snapshot, now, transition = self.snapshot, self.standpoint, self.transition
        policy = now.policies.at(snapshot.as_of, now.customer.account)
        view = CustomerView.of(snapshot, policy, self.naming)
        return Explanation(
            **view.model_dump(),
            summary=sentences.summary(snapshot.id, now, transition, snapshot.next_move),
            transition=TransitionView.of(transition, None, self.facts, self.naming),
            evidence=EvidenceView(
                because=sentences.because(now.customer, transition),
                events=[EventView.of(event, recorded_at) for event, recorded_at in self.evidence],
                deadline=transition.evidence.deadline,
            ),
            at_risk_by=_causes(now.customer),
            rules=[self._rule(rule, ways) for rule, ways in open_rules(now)],
            cadence=self._cadence(),
        )

    def _rule(self, rule: Rule, ways: Sequence[Requirement]) -> OpenRule:
        to = rule.target(self.standpoint.customer, self.standpoint.policy)
        view, label = self.naming.view(to, self.snapshot.facts)
        return OpenRule(
            rule=rule.name, to=to, view=view, label=label, ways=[WayView.of(way) for way in ways]
        )

    def _cadence(self) -> CadenceOutlook | None:
        as_of, customer = self.snapshot.as_of, self.standpoint.customer
        policy = self.standpoint.policies.at(as_of, customer.account)
        found = estimate_outlook(customer, policy, as_of)
        if found is None:
            return None
        figures = msgspec.to_builtins(found)
        return CadenceOutlook(**figures, horizon_days=policy.horizon_days, currency=policy.currency)


def _causes(customer: Customer) -> list[CauseView]:
    return [
        CauseView(
            cause=cause, means=describe_cause(cause), ends_with=remedy_for(customer, cause).words
        )
        for cause in sorted(customer.causes)
    ]
