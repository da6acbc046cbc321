"""What the API of simulations takes and shows."""

from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.policies.document import PolicyDocument
from services.lifecycle.simulations.repository import SimulationState, StoredSimulation
from shared.http import Instant, Page

Account = Literal["b2c", "b2b"]

SIMULATION: Final = "018f3c5e-7a10-7cc3-9f5e-3b1d2a4c6e80"
CANDIDATE: Final = {"name": "strict", "at_risk_days": 60, "inactive_days": 120}
BEGIN: Final = "2024-01-10T00:00:00Z"


class SimulationRequest(BaseModel):
    """Which policy to try, and on what part of the past."""

    model_config = ConfigDict(extra="forbid")

    policy: PolicyDocument = Field(
        description="The candidate: a policy document, or `name` and `version` alone for a stored "
        "policy.",
        examples=[CANDIDATE],
    )
    from_: Annotated[
        Instant,
        Field(alias="from", description="The candidate judges from here on.", examples=[BEGIN]),
    ]
    to: Instant | None = Field(
        default=None,
        description="Histories are compared as of this instant, at most the clock; left out: the "
        "clock.",
    )
    account: Account | None = Field(
        default=None,
        description="Only customers of this kind; a candidate for all kinds is then tried as the "
        "policy for this one.",
    )

    @field_validator("to")
    @classmethod
    def _comes_after(cls, value: Instant | None, info: ValidationInfo) -> Instant | None:
        if value is not None and "from_" in info.data and value <= info.data["from_"]:
            raise PydanticCustomError("order", "must be after from")
        return value


class ProgressView(BaseModel):
    """The progress of a simulation."""

    done: int = Field(description="Number of customers done.", examples=[2000])
    total: int | None = Field(
        description="Number of all customers; null until they are counted.", examples=[2000]
    )
    events: int = Field(description="Number of events folded so far.", examples=[61034])


class SimulationStepView(BaseModel):
    """One transition of a history."""

    occurred_at: Instant = Field(description="When, by event time.")
    rule: str = Field(description="The rule that fired.", examples=["silence_begins"])
    from_: Annotated[
        Phase | None, Field(alias="from", description="The phase before; null: not known yet.")
    ]
    to: Phase = Field(description="The phase that the customer entered.", examples=["at_risk"])


class CellView(BaseModel):
    """How many customers are in one phase by the live history, in the other by the candidate's."""

    live: Phase | None = Field(
        description="The phase by the live history; null: none.", examples=["established"]
    )
    candidate: Phase | None = Field(
        description="The phase by the candidate's; null: none.", examples=["at_risk"]
    )
    customers: int = Field(description="Number of these customers.", examples=[17])


class FiredView(BaseModel):
    """How often a rule fired in a month."""

    rule: str = Field(description="The rule.", examples=["silence_begins"])
    month: str = Field(description="YYYY-MM, in UTC.", examples=["2024-04"])
    live: int = Field(description="Number of times in the live histories.", examples=[122])
    candidate: int = Field(description="Number of times in the candidate's.", examples=[139])


class EnteredView(BaseModel):
    """How often a phase was entered."""

    phase: Phase = Field(description="The phase.", examples=["inactive"])
    live: int = Field(description="Number of times in the live histories.", examples=[61])
    candidate: int = Field(description="Number of times in the candidate's.", examples=[74])


class ExampleView(BaseModel):
    """A customer whose histories differ."""

    customer: str = Field(description="The customer's id.", examples=["customer-1"])
    alike: int = Field(
        description="Number of customers who differ in the same way, including this one.",
        examples=[17],
    )
    live: list[SimulationStepView] = Field(description="The live history.")
    candidate: list[SimulationStepView] = Field(description="The candidate's history.")


class ReportView(BaseModel):
    """The result of a simulation."""

    customers: int = Field(description="Number of customers with a phase at `to`.", examples=[2000])
    events: int = Field(
        description="Number of stored events of these customers until `to`.", examples=[61034]
    )
    differing: int = Field(
        description="Number of customers whose two histories are not the same.", examples=[41]
    )
    unsettled: int = Field(
        description="Number of these whose histories part before `from` already: the live history "
        "does not follow from the stored events yet, because deadlines still have to follow an "
        "activation (`/v1/rearming`) or a history is being imported.",
        examples=[0],
    )
    matrix: list[CellView] = Field(
        description="Customers by their two phases at `to`; pairs of phases without customers are "
        "left out."
    )
    transitions: list[FiredView] = Field(
        description="By rule and month, from `from` on and before `to`."
    )
    entered: list[EnteredView] = Field(
        description="Transitions into `inactive` and `former`, in the same time."
    )
    examples: list[ExampleView] = Field(
        description="Typical customers who differ: one of each kind of difference, the most "
        "frequent kinds first."
    )


class SimulationSummary(BaseModel):
    """A simulation, without its report."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    id: UUID = Field(description="The id of the simulation.", examples=[SIMULATION])
    policy: PolicyDocument = Field(description="The candidate.")
    from_: Annotated[
        Instant,
        Field(alias="from", description="The candidate judges from here on.", examples=[BEGIN]),
    ]
    to: Instant = Field(description="Histories are compared as of this instant.")
    account: str | None = Field(
        description="Only customers of this kind; null: all.", examples=["b2c"]
    )
    state: SimulationState = Field(
        description="Its state; the last three are final.", examples=["done"]
    )
    reason: str | None = Field(
        description="Why it failed; null unless it did.", examples=["the process ended with code 1"]
    )
    progress: ProgressView = Field(description="How far it has come.")
    created_at: Instant = Field(description="When it was requested, by the wall clock.")
    started_at: Instant | None = Field(
        description="When it was started, by the wall clock; null: not yet."
    )
    ended_at: Instant | None = Field(description="When it ended, by the wall clock; null: not yet.")

    @classmethod
    def of(cls, stored: StoredSimulation, **more: Any) -> Self:
        """The view of a simulation."""
        return cls(
            id=stored.id,
            policy=PolicyDocument.of(stored.spec.policy),
            from_=stored.spec.begins,
            to=stored.spec.ends,
            account=stored.spec.account,
            state=stored.state,
            reason=stored.reason,
            progress=ProgressView(**stored.progress._asdict()),
            created_at=stored.created_at,
            started_at=stored.started_at,
            ended_at=stored.ended_at,
            **more,
        )


class SimulationView(SimulationSummary):
    """A simulation with its report."""

    report: ReportView | None = Field(description="The result; null until it is done.")

    @classmethod
    def of(cls, stored: StoredSimulation, **more: Any) -> Self:
        """The view of a simulation with its report."""
        report = ReportView.model_validate_json(stored.report) if stored.report else None
        return super().of(stored, report=report, **more)


class SimulationPage(Page[SimulationSummary]):
    """Some of the simulations, the latest first, without their reports."""
