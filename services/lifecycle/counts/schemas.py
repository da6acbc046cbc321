"""What the lifecycle API shows of all customers together."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from services.lifecycle.api.fields import MODEL, UNTIL
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.domain.phase_models import Model, labels_of
from shared.http import Instant


class PhaseCounts(BaseModel):
    """Customers by phase, or by what the phase is in a model, at an instant."""

    as_of: Instant = Field(description="The instant.")
    model: Model | None = MODEL
    counts: dict[str, int] = Field(
        description="Number of customers by code of the phase, or of its view; 0 is shown, too.",
        examples=[{"initiation": 40, "active": 310, "passive": 95}],
    )
    labels: dict[str, str] = Field(
        description="What each code means, in the language of the answer.",
        examples=[{"initiation": "Anbahnung", "active": "aktiv", "passive": "passiv"}],
    )

    @classmethod
    def of(cls, as_of: datetime, counts: Mapping[str, int], naming: Naming) -> Self:
        """The counts of a model, even those that are 0."""
        labels = labels_of(naming.model)
        return cls(
            as_of=as_of,
            model=naming.model,
            counts={label.code: counts.get(label.code, 0) for label in labels},
            labels={label.code: naming.label(label) for label in labels},
        )


class RuleCounts(BaseModel):
    """Transitions of the current histories by rule, up to an instant."""

    as_of: Instant = UNTIL
    counts: dict[str, int] = Field(
        description="Number of transitions by rule.",
        examples=[{"first_purchase": 405, "silence_begins": 122}],
    )
    total: int = Field(description="Number of all transitions.", examples=[527])


class CauseCounts(BaseModel):
    """Moves to at_risk by the kind of their causes, up to an instant."""

    as_of: Instant = UNTIL
    counts: dict[str, int] = Field(
        description="Number of moves by kind of cause; one move may have several.",
        examples=[{"silence": 122, "complaint": 9}],
    )


class WithoutEffectCounts(BaseModel):
    """Events that change nothing, by the reason that holds by now."""

    as_of: Instant = Field(description="The clock: later events may change the reasons.")
    without_effect: dict[str, int] = Field(
        description="Number of events that have no effect by reason.",
        examples=[{"refund_repeated": 3, "other_currency": 1}],
    )
    waiting: dict[str, int] = Field(
        description="Number of refunds and cancellations that wait for their order by reason.",
        examples=[{"order_unknown": 2}],
    )


class HintCounts(BaseModel):
    """Hints by name, up to an instant."""

    as_of: Instant = UNTIL
    counts: dict[str, int] = Field(
        description="Number of hints by name.",
        examples=[{"survey.due": 405, "phase.change_due": 118}],
    )
