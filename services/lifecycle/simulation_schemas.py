"""What the API of simulations takes and shows."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from services.lifecycle.domain.phases import Phase
from services.lifecycle.settings import PolicyDocument
from services.lifecycle.simulations import State, Stored
from shared.http import Instant, Page

Account = Literal["b2c", "b2b"]


class SimulationRequest(BaseModel):
    """Which policy is to be tried, and on what part of the past."""

    model_config = ConfigDict(extra="forbid")

    policy: PolicyDocument = Field(
        description="The candidate: a policy document, or `name` and `version` alone for one that is stored."
    )
    from_: Annotated[Instant, Field(alias="from", description="The candidate judges from here on.")]
    to: Instant | None = Field(
        default=None, description="What is told is as of this instant, at most the clock; left out: the clock."
    )
    account: Account | None = Field(
        default=None,
        description="Only customers of this kind; a candidate for all is then tried as the policy for this kind.",
    )

    @field_validator("to")
    @classmethod
    def _comes_after(cls, value: Instant | None, info: ValidationInfo) -> Instant | None:
        if value is not None and "from_" in info.data and value <= info.data["from_"]:
            raise PydanticCustomError("order", "must be after from")
        return value


class ProgressView(BaseModel):
    """How far a simulation is."""

    done: int = Field(description="Customers.")
    total: int | None = Field(description="Customers; null until they have been counted.")
    events: int = Field(description="Folded so far.")


class StepView(BaseModel):
    """One transition of a history."""

    occurred_at: Instant
    rule: str
    from_: Annotated[Phase | None, Field(alias="from")]
    to: Phase


class CellView(BaseModel):
    """So many customers are in one phase by the live history, and in another by the candidate's."""

    live: Phase | None
    candidate: Phase | None
    customers: int


class FiredView(BaseModel):
    """How often a rule fired in a month."""

    rule: str
    month: str = Field(description="YYYY-MM, in UTC.")
    live: int
    candidate: int


class EnteredView(BaseModel):
    """How often a phase was entered."""

    phase: Phase
    live: int
    candidate: int


class ExampleView(BaseModel):
    """A customer whose histories differ."""

    customer: str
    alike: int = Field(description="So many customers differ in the same way, this one included.")
    live: list[StepView]
    candidate: list[StepView]


class ReportView(BaseModel):
    """What a simulation has found out."""

    customers: int
    events: int = Field(description="Stored events of these customers until `to`.")
    differing: int = Field(description="Customers whose two histories are not the same.")
    unsettled: int = Field(
        description="Of these, whose histories part before `from` already: the live one does not yet say what the "
        "stored events do, because an activation is being told or a history is being imported."
    )
    matrix: list[CellView] = Field(description="Customers by phase at `to`; pairs without customers are left out.")
    transitions: list[FiredView] = Field(description="By rule and month, from `from` on and before `to`.")
    entered: list[EnteredView] = Field(description="Transitions into the phases of lost customers, in the same time.")
    examples: list[ExampleView] = Field(
        description="Typical customers who differ: one of each kind of difference, the most frequent kinds first."
    )


class SimulationSummary(BaseModel):
    """A simulation, and where it stands."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    id: UUID
    policy: PolicyDocument = Field(description="The candidate.")
    from_: Annotated[Instant, Field(alias="from")]
    to: Instant
    account: str | None
    state: State
    reason: str | None = Field(description="Why it failed; null unless it did.")
    progress: ProgressView
    created_at: Instant = Field(description="By the wall clock, as the two below.")
    started_at: Instant | None
    ended_at: Instant | None

    @classmethod
    def of(cls, stored: Stored, **more: Any) -> Self:
        """The view of a row."""
        return cls(
            id=stored.id,
            policy=PolicyDocument.of(stored.order.policy),
            from_=stored.order.begins,
            to=stored.order.ends,
            account=stored.order.account,
            state=stored.state,
            reason=stored.reason,
            progress=ProgressView(**stored.progress._asdict()),
            created_at=stored.created_at,
            started_at=stored.started_at,
            ended_at=stored.ended_at,
            **more,
        )


class SimulationView(SimulationSummary):
    """A simulation with what it has found out."""

    report: ReportView | None = Field(description="Null until it is done.")

    @classmethod
    def of(cls, stored: Stored, **more: Any) -> Self:
        """The view of a row with its report."""
        report = ReportView.model_validate_json(stored.report) if stored.report else None
        return super().of(stored, report=report, **more)


class SimulationPage(Page[SimulationSummary]):
    """A part of the simulations, the latest first, without their reports."""
