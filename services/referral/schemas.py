"""What the referral API takes and shows."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.referral.domain.claims import Reason, State
from services.referral.domain.ledger import Account
from services.referral.domain.rewards import Kind
from services.referral.queries import LedgerRow
from services.referral.repository import Claim
from shared.events.fields import Subject
from shared.http import Instant


class CodeRequest(BaseModel):
    """Who is to have a code."""

    model_config = ConfigDict(extra="forbid")

    customer: Subject


class ClaimRequest(BaseModel):
    """A referee named somebody's code."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=200)]
    referee: Subject


class CodeView(BaseModel):
    """A customer's code."""

    customer: str
    code: str
    issued_at: Instant
    as_of: Instant


class ClaimView(BaseModel):
    """A claim. `reason` says why it was refused or earns nothing; `order_id` is the first order, once known."""

    id: UUID
    code: str
    referee: str
    recommender: str | None
    state: State
    reason: Reason | None
    order_id: str | None
    claimed_at: Instant
    expires_at: Instant
    as_of: Instant

    @classmethod
    def of(cls, claim: Claim, clock: datetime) -> Self:
        """The claim as it stands."""
        touch, verdict = claim.touch, claim.verdict
        waiting = verdict.state is State.ACCEPTED
        return cls(
            id=touch.id,
            code=touch.code,
            referee=claim.referee,
            recommender=touch.recommender,
            state=State.EXPIRED if waiting and touch.expires_at < clock else verdict.state,
            reason=verdict.reason,
            order_id=verdict.order_id,
            claimed_at=touch.time,
            expires_at=touch.expires_at,
            as_of=clock,
        )

    @classmethod
    def receipt(cls, claim: Claim) -> Self:
        """The claim as it was accepted: the same however often, and however late, it is asked for again."""
        view = cls.of(claim, claim.recorded_at)
        return view.model_copy(update={"state": State.ACCEPTED, "reason": None, "order_id": None})


class BalanceView(BaseModel):
    """Sums in integer minor units of one currency."""

    currency: str
    pending: int
    available: int


class BalancesView(BaseModel):
    """What a customer has earned: nothing, for customers of whom nothing is known."""

    customer: str
    balances: list[BalanceView]
    parked: bool = Field(description="Judging failed: nothing is posted until an operator releases the customer.")
    as_of: Instant


class EntryView(BaseModel):
    """One line of a posting: plus adds to the account."""

    account: Account
    amount: int
    currency: str


class PostingView(BaseModel):
    """A posting; its entries sum to 0. `cancels` is the posting that it takes back."""

    id: UUID
    kind: Kind
    time: Instant
    recorded_at: Instant
    claim_id: UUID
    cause: str
    cancels: UUID | None
    entries: list[EntryView]

    @classmethod
    def of(cls, row: LedgerRow) -> Self:
        """The view of a row."""
        entries = [EntryView(account=a, amount=n, currency=c) for a, n, c in row.lines]
        return cls(
            id=row.id,
            kind=row.kind,
            time=row.time,
            recorded_at=row.recorded_at,
            claim_id=row.claim_id,
            cause=row.cause,
            cancels=row.cancels,
            entries=entries,
        )


class CountsView(BaseModel):
    """How many codes there are, and how many claims and rewards (of both sides) by state."""

    as_of: Instant
    codes: int
    claims: dict[str, int]
    rewards: dict[str, int]
