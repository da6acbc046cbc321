"""What the lifecycle API shows of the reasons for a phase, and how it is put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import msgspec
from pydantic import BaseModel, Field

from services.lifecycle.api.events import EventView
from services.lifecycle.api.fields import (
    LABEL,
    LAPSE,
    NEXT_LAPSE,
    VIEW,
    OutlookView,
)
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.api.transitions import TransitionView
from services.lifecycle.customers.schemas import CustomerView
from services.lifecycle.customers.snapshot import CustomerSnapshot
from services.lifecycle.domain.outlook import estimate_outlook
from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.rules.table import Rule
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.domain.words.causes import describe_cause, remedy_for
from services.lifecycle.domain.words.requirements import Requirement
from services.lifecycle.domain.words.rules import open_rules
from services.lifecycle.domain.words.standpoint import Standpoint
from services.lifecycle.explain import sentences
from services.lifecycle.explain.repository import StoredEvent
from shared.events.transitions import Transition
from shared.http import Instant


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
    """One way in which the rule may fire: what is lacking, and what brings it about."""

    lacks: str = Field(
        description="What is lacking, in words.", examples=["no order until 2024-07-19T12:00:00Z"]
    )
    on: list[str] = Field(
        description="Types of event that bring it about; empty: time alone.",
        examples=[["order.completed"]],
    )
    deadline: Instant | None = Field(
        description="When time alone brings it about; null: it takes an event.",
        examples=[NEXT_LAPSE],
    )

    @classmethod
    def of(cls, requirement: Requirement) -> Self:
        """The view of a requirement."""
        return cls(
            lacks=requirement.lacks,
            on=sentences.event_types(requirement.on),
            deadline=requirement.deadline,
        )


class OpenRule(BaseModel):
    """A rule that could fire next, and the ways to it."""

    rule: str = Field(description="The rule.", examples=["fell_silent"])
    to: Phase = Field(description="The phase that it leads to.", examples=["inactive"])
    view: str = VIEW
    label: str = LABEL
    ways: list[WayView] = Field(description="The ways to it, any one of which is enough.")


class CadenceOutlook(OutlookView):
    """What the cadence model expects of the customer, with its horizon and currency."""

    horizon_days: int = Field(
        description="The days ahead that `p_no_purchase` is about.", examples=[180]
    )
    currency: str = Field(description="The currency of the values (ISO 4217).", examples=["EUR"])


class Explanation(CustomerView):
    """A customer's phase, why it holds, and what is lacking for each rule that could fire next."""

    summary: str = Field(
        description="One to three English sentences to read out.",
        examples=["customer-1 has been at risk since 20 April 2024: no order for 90 days."],
    )
    transition: TransitionView = Field(description="What led to the phase.")
    evidence: EvidenceView = Field(description="Why the customer is in the phase.")
    at_risk_by: list[CauseView] = Field(description="The causes in words.")
    rules: list[OpenRule] = Field(
        description="The rules that could fire next, in the order of the table of rules."
    )
    cadence: CadenceOutlook | None = Field(
        description="What the cadence model expects; null without a fit, or without an order."
    )


@dataclass(frozen=True, slots=True)
class ExplainedCustomer:
    """What an explanation is made of; `facts` held when the last transition happened."""

    snapshot: CustomerSnapshot
    standpoint: Standpoint
    transition: Transition
    facts: frozenset[CustomerFact]
    evidence: Sequence[StoredEvent]
    naming: Naming

    def view(self) -> Explanation:
        """The answer."""
        snapshot = self.snapshot
        standpoint = self.standpoint
        transition = self.transition
        policy = standpoint.policies.at(snapshot.as_of, standpoint.customer.account)
        view = CustomerView.of(snapshot, policy, self.naming)
        return Explanation(
            **view.model_dump(),
            summary=sentences.summary(snapshot.id, standpoint, transition, snapshot.next_move),
            transition=TransitionView.of(transition, None, self.facts, self.naming),
            evidence=EvidenceView(
                because=sentences.because(standpoint.customer, transition),
                events=[EventView.of(event, recorded_at) for event, recorded_at in self.evidence],
                deadline=transition.evidence.deadline,
            ),
            at_risk_by=_causes(standpoint.customer),
            rules=[self._rule(rule, requirements) for rule, requirements in open_rules(standpoint)],
            cadence=self._cadence(policy),
        )

    def _rule(self, rule: Rule, requirements: Sequence[Requirement]) -> OpenRule:
        to = rule.target(self.standpoint.customer, self.standpoint.policy)
        view, label = self.naming.view(to, self.snapshot.facts)
        ways = [WayView.of(requirement) for requirement in requirements]
        return OpenRule(rule=rule.name, to=to, view=view, label=label, ways=ways)

    def _cadence(self, policy: Policy) -> CadenceOutlook | None:
        outlook = estimate_outlook(self.snapshot.customer, policy, self.snapshot.as_of)
        if outlook is None:
            return None
        figures = msgspec.to_builtins(outlook)
        return CadenceOutlook(**figures, horizon_days=policy.horizon_days, currency=policy.currency)


def _causes(customer: Customer) -> list[CauseView]:
    return [
        CauseView(
            cause=cause,
            means=describe_cause(cause),
            ends_with=remedy_for(customer, cause).words,
        )
        for cause in sorted(customer.causes)
    ]
