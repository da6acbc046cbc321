"""What the API takes and shows of claims."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.referral.api.fields import AS_OF, CLAIM_ID, CODE, CUSTOMER, ORDER, REFEREE
from services.referral.claims.repository import Claim
from services.referral.domain.claims import Reason, State
from shared.events.fields import Subject
from shared.http import Instant
from shared.identities import Identities


class ClaimRequest(BaseModel):
    """A referee named somebody's code."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="The code, as people write it: any case, with spaces or hyphens.",
        examples=[CODE],
    )
    referee: Subject = Field(description="The customer who was recommended.", examples=[REFEREE])


class ClaimView(BaseModel):
    """A claim: a referee named a code."""

    id: UUID = Field(description="The id of the claim.", examples=[CLAIM_ID])
    code: str = Field(description="The code that was named, in its one spelling.", examples=[CODE])
    referee: str = Field(description="The customer who named it.", examples=[REFEREE])
    recommender: str | None = Field(
        description="The customer who has the code; null if nobody has.", examples=[CUSTOMER]
    )
    state: State = Field(description="The state of the claim.", examples=["qualified"])
    reason: Reason | None = Field(
        description="Why it was refused, or earns nothing; null otherwise.",
        examples=["below_minimum"],
    )
    order_id: str | None = Field(
        description="The referee's first order; null: none yet.", examples=[ORDER]
    )
    claimed_at: Instant = Field(description="When the code was named.")
    expires_at: Instant = Field(
        description="A first order after this instant earns nothing.",
        examples=["2024-07-30T12:00:00Z"],
    )
    as_of: Instant = AS_OF

    @classmethod
    def of(cls, claim: Claim, people: Identities, clock: datetime) -> Self:
        """The claim as it stands at the clock, with the present ids of its customers."""
        touch = claim.touch
        verdict = claim.verdict
        has_expired = verdict.state is State.ACCEPTED and touch.expires_at < clock
        return cls(
            id=touch.id,
            code=touch.code,
            referee=people.survivor(claim.referee),
            recommender=touch.recommender and people.survivor(touch.recommender),
            state=State.EXPIRED if has_expired else verdict.state,
            reason=verdict.reason,
            order_id=verdict.order_id,
            claimed_at=touch.time,
            expires_at=touch.expires_at,
            as_of=clock,
        )

    @classmethod
    def receipt(cls, claim: Claim, people: Identities) -> Self:
        """The claim as it was accepted: always the same, however late the request is repeated."""
        view = cls.of(claim, people, claim.recorded_at)
        return view.model_copy(update={"state": State.ACCEPTED, "reason": None, "order_id": None})
