"""What the lifecycle API shows of a customer's phase at any time, as known at any other."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, Field

from services.lifecycle.api.fields import CUSTOMER, LAPSE, MODEL
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.domain.phase_models import CustomerFact, Model
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.explain.repository import PhaseThen
from shared.http import Instant

NoPhaseReason: TypeAlias = Literal["not_yet_customer", "not_yet_known"]


@dataclass(frozen=True, slots=True)
class PhaseQuestion:
    """Which phase was a customer in at `as_of`, as known when the clock stood at `known_at`?"""

    customer: str
    as_of: datetime
    known_at: datetime
    naming: Naming


class PhaseAt(BaseModel):
    """A customer's phase at `as_of`, as it was known when the clock stood at `known_at`."""

    customer: str = CUSTOMER
    phase: Phase | None = Field(
        default=None,
        description="The phase; null: there was none, for this `reason`.",
        examples=["at_risk"],
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
        description="Place of that transition in the history as known then, from 1.",
        examples=[4],
    )
    reason: NoPhaseReason | None = Field(
        default=None,
        description="Why there is no phase: the customer's first one came after `as_of`, as far as"
        " was known then; or nothing had been recorded of the customer by `known_at`."
        " null: there is a phase.",
    )
    as_of: Instant = Field(
        description="The instant asked for, or the clock of the customer's partition."
    )
    known_at: Instant = Field(description="The state of that clock asked for, or the present one.")

    @classmethod
    def of(cls, question: PhaseQuestion, phase: PhaseThen, facts: Collection[CustomerFact]) -> Self:
        """The phase that a transition led to."""
        transition = phase.transition
        naming = question.naming
        view, label = naming.view(Phase(transition.to), facts)
        return cls(
            customer=question.customer,
            phase=Phase(transition.to),
            model=naming.model,
            view=view,
            label=label,
            since=phase.since,
            episode=transition.episode,
            rule=transition.rule,
            version=transition.version,
            position=transition.position,
            as_of=question.as_of,
            known_at=question.known_at,
        )

    @classmethod
    def none(cls, question: PhaseQuestion, reason: NoPhaseReason) -> Self:
        """The answer that there was no phase."""
        return cls(
            customer=question.customer,
            model=question.naming.model,
            reason=reason,
            as_of=question.as_of,
            known_at=question.known_at,
        )
