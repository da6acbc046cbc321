"""What the lifecycle API shows of reasons: phases of any time, explanations."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self, TypeAlias

import msgspec
from pydantic import BaseModel, Field

from services.lifecycle import reasons
from services.lifecycle.domain.causes import ends, meaning
from services.lifecycle.domain.customer import Customer
from services.lifecycle.domain.lacking import open_rules
from services.lifecycle.domain.outlook import outlook
from services.lifecycle.domain.phases import Phase
from services.lifecycle.domain.rules import Rule
from services.lifecycle.domain.views import Fact, Model
from services.lifecycle.domain.ways import Now, Way
from services.lifecycle.schemas import LABEL, MODEL, VIEW, CustomerView, Naming, Standing, TransitionView
from services.lifecycle.timeline import Held, Told
from services.lifecycle.timeline_schemas import EventView
from shared.events.transitions import Transition
from shared.http import Instant

Reason: TypeAlias = Literal["not_yet_customer", "not_yet_known"]


class PhaseAt(BaseModel):
    """What held of a customer at `as_of`, as it was known when the clock stood at `known_at`."""

    customer: str
    phase: Phase | None = Field(default=None, description="null: none, for this `reason`.")
    model: Model | None = MODEL
    view: str | None = Field(default=None, description="What the phase is in that model, by what was known then.")
    label: str | None = Field(default=None, description="The view in the language of the answer.")
    since: Instant | None = None
    episode: int | None = Field(default=None, description="1 at first, one more with every return.")
    rule: str | None = Field(default=None, description="The rule that led to the phase.")
    version: int | None = Field(default=None, description="Of the record that published that transition.")
    position: int | None = Field(default=None, description="Of that transition in the history as known then.")
    reason: Reason | None = Field(
        default=None,
        description="Why there is no phase: the customer's first one came after `as_of`, as far as known then;"
        " or nothing had been recorded of the customer by `known_at`.",
    )
    as_of: Instant
    known_at: Instant

    @classmethod
    def of(cls, asked: "Asked", held: Held, facts: Collection[Fact]) -> Self:
        """The phase that a transition led to."""
        t, naming = held.transition, asked.naming
        view, label = naming.view(Phase(t.to), facts)
        return cls(
            customer=asked.customer,
            phase=Phase(t.to),
            model=naming.model,
            view=view,
            label=label,
            since=held.since,
            episode=t.episode,
            rule=t.rule,
            version=t.version,
            position=t.position,
            as_of=asked.as_of,
            known_at=asked.known_at,
        )

    @classmethod
    def none(cls, asked: "Asked", reason: Reason) -> Self:
        """No phase."""
        instants = {"as_of": asked.as_of, "known_at": asked.known_at}
        return cls(customer=asked.customer, model=asked.naming.model, reason=reason, **instants)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose phase at which instant, as known when."""

    customer: str
    as_of: datetime
    known_at: datetime
    naming: Naming


# -- explanations ----------------------------------------------------------------------------------------------------


class EvidenceView(BaseModel):
    """Why the customer is in the phase: the events themselves, or the deadline that passed."""

    because: str = Field(description="In words.")
    events: list[EventView]
    deadline: Instant | None


class CauseView(BaseModel):
    """One cause of being at risk."""

    cause: str
    means: str
    ends_with: str


class WayView(BaseModel):
    """One way in which the rule may fire: what is lacking, and the events or the deadline that bring it."""

    lacks: str
    on: list[str] = Field(description="Types of event; empty: time alone.")
    deadline: Instant | None

    @classmethod
    def of(cls, way: Way) -> Self:
        """The view of a way."""
        return cls(lacks=way.lacks, on=reasons.event_types(way.on), deadline=way.deadline)


class OpenRule(BaseModel):
    """A rule that could fire next, and each way to it: any one of them is enough."""

    rule: str
    to: Phase
    view: str = VIEW
    label: str = LABEL
    ways: list[WayView]


class OutlookView(BaseModel):
    """What the cadence model expects of the customer; money in minor units of `currency`."""

    p_alive: float
    p_no_purchase: float = Field(description="Within `horizon_days` from `as_of` on.")
    horizon_days: int
    expected_orders_12m: float
    expected_value: float | None
    clv: float | None
    currency: str
    fit: int = Field(description="The version of the fit.")


class Explanation(CustomerView):
    """Where a customer stands, why, and what each rule lacks that could fire next."""

    summary: str = Field(description="One to three English sentences to read out.")
    transition: TransitionView = Field(description="What led to the phase.")
    evidence: EvidenceView
    at_risk_by: list[CauseView] = Field(description="The causes in words.")
    rules: list[OpenRule] = Field(description="Those that could fire next, in the order of the table of rules.")
    cadence: OutlookView | None = Field(description="null: no fit is in force, or there is no order.")


@dataclass(frozen=True, slots=True)
class Explained:
    """What an explanation is made of; `facts` held when the transition happened that led to the phase."""

    standing: Standing
    now: Now
    transition: Transition
    facts: frozenset[Fact]
    evidence: Sequence[Told]
    naming: Naming

    def view(self) -> Explanation:
        """The answer."""
        standing, now, transition = self.standing, self.now, self.transition
        policy = now.policies.at(standing.as_of, now.customer.account)
        view = CustomerView.of(standing, policy, self.naming)
        return Explanation(
            **view.model_dump(),
            summary=reasons.summary(standing.id, now, transition, standing.next_move),
            transition=TransitionView.of(transition, None, self.facts, self.naming),
            evidence=EvidenceView(
                because=reasons.because(now.customer, transition),
                events=[EventView.of(told) for told in self.evidence],
                deadline=transition.evidence.deadline,
            ),
            at_risk_by=_causes(now.customer),
            rules=[self._rule(rule, ways) for rule, ways in open_rules(now)],
            cadence=self._cadence(),
        )

    def _rule(self, rule: Rule, ways: Sequence[Way]) -> OpenRule:
        to = rule.target(self.now.customer, self.now.policy)
        view, label = self.naming.view(to, self.standing.facts)
        return OpenRule(rule=rule.name, to=to, view=view, label=label, ways=[WayView.of(way) for way in ways])

    def _cadence(self) -> OutlookView | None:
        as_of, customer = self.standing.as_of, self.now.customer
        policy = self.now.policies.at(as_of, customer.account)
        found = outlook(customer, policy, as_of)
        if found is None:
            return None
        figures = msgspec.to_builtins(found)
        return OutlookView(**figures, horizon_days=policy.horizon_days, currency=policy.currency)


def _causes(customer: Customer) -> list[CauseView]:
    return [
        CauseView(cause=cause, means=meaning(cause), ends_with=ends(customer, cause).words)
        for cause in sorted(customer.causes)
    ]
