"""What followers of changes read: published transitions and corrections, as CloudEvents."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from services.lifecycle.api.fields import PolicyView
from services.lifecycle.api.transitions import ProfileView, TransitionEvidence
from services.lifecycle.domain.state.phases import Phase
from shared.http import Instant

_CURSOR: Final = "AQQBAAMCAQUAAAIBAfDgD74"


class PhaseChange(BaseModel):
    """One move of one customer."""

    customer: str = Field(description="The customer, as in `subject`.", examples=["customer-1"])
    version: int = Field(
        description="Of the record that published it: 1, 2, 3, … for each customer.", examples=[1]
    )
    position: int = Field(
        description="Its place in the customer's current history, from 1.", examples=[1]
    )
    from_: Phase | None = Field(
        alias="from",
        description="The phase that was left; null: not known before.",
        examples=[None],
    )
    to: Phase = Field(description="The phase that was entered.", examples=["new"])
    rule: str = Field(description="The rule that moved the customer.", examples=["first_purchase"])
    occurred_at: Instant = Field(description="When it happened, or fell due.")
    recorded_at: Instant = Field(description="The clock of the partition when it was recorded.")
    evidence: TransitionEvidence = Field(description="Why it happened.")
    policy: PolicyView = Field(description="The policy that judged.")
    episode: int = Field(description="1 at first, one more with every return.", examples=[1])
    historical: bool = Field(
        description="Too long ago to act on: nobody gets an offer because of it."
    )
    profile: ProfileView = Field(description="The customer right afterwards.")


class PhaseCorrection(BaseModel):
    """The past has changed: the added transitions replace those of the withdrawn versions.

    A correction too large for one record comes in parts, one after another: keep what is added,
    and judge when the last part (`part` = `parts`) has come.
    """

    customer: str = Field(description="The customer, as in `subject`.", examples=["customer-1"])
    version: int = Field(description="Of this record: 1, 2, 3, … for each customer.", examples=[3])
    withdrawn: list[int] = Field(
        description="Versions whose transitions are void; empty but in the last part.",
        examples=[[2]],
    )
    added: list[PhaseChange] = Field(
        description="Transitions that hold instead; not sent as `phase.changed` too."
    )
    current: Phase | None = Field(
        description="The phase now; null: nothing is known of the customer any more, or this is "
        "not the last part."
    )
    recorded_at: Instant = Field(description="The clock of the partition when it was recorded.")
    part: int = Field(1, description="The number of this part of the correction.", examples=[1])
    parts: int = Field(1, description="How many parts the correction has.", examples=[1])
    withdrawn_from: int | None = Field(
        None,
        description="Instead of a `withdrawn` of more than 20,000 versions: all transitions are "
        "void from this version up to the first part.",
    )


class _Published(BaseModel):
    specversion: Literal["1.0"] = Field(description="Of CloudEvents.")
    id: str = Field(
        description="The same for the same record, wherever it is read.",
        examples=["8c4af2a6-1b1e-5d0c-9a53-0c1b7e7f8f55"],
    )
    source: Literal["/lifecycle"] = Field(description="Who publishes.")
    subject: str = Field(description="The customer.", examples=["customer-1"])
    time: Instant = Field(description="When it happened; of a correction, when it was recorded.")


class PhaseChanged(_Published):
    """A customer is in another phase."""

    type: Literal["phase.changed"] = Field(description="What has happened.")
    data: PhaseChange = Field(description="The move.")


class PhaseCorrected(_Published):
    """A customer's past is another."""

    type: Literal["phase.corrected"] = Field(description="What has happened.")
    data: PhaseCorrection = Field(
        description="What of the history is void, and what holds instead."
    )


class ChangePage(BaseModel):
    """Published changes behind a cursor, each customer's in order."""

    items: list[Annotated[PhaseChanged | PhaseCorrected, Field(discriminator="type")]] = Field(
        description="CloudEvents as they are on the topic phase-transitions.v1."
    )
    next: str = Field(
        description="Send it as `after` to go on; there is always one.", examples=[_CURSOR]
    )
    more: bool = Field(description="There was more when this was answered: go on without waiting.")
