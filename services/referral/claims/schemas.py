"""What the referral API takes and shows."""

from datetime import datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.referral.claims.repository import Claim
from services.referral.domain.claims import Reason, State
from services.referral.domain.ledger import Account
from services.referral.domain.rewards import Kind
from services.referral.ledger.repository import LedgerRow
from shared.events.fields import Subject
from shared.http import Instant, Page

CUSTOMER: Final = "customer-1"
REFEREE: Final = "customer-2"
CODE: Final = "A57HDZ48S"
CLAIM_ID: Final = "e71ff6cb-6b3e-58f8-bc01-b5074807dd17"
ORDER: Final = "o-2001"
AS_OF: Final[Any] = Field(
    description="The clock of the customer's partition, at which this was true."
)
CURRENCY: Final[Any] = Field(description="ISO 4217.", examples=["EUR"])


class CodeRequest(BaseModel):
    """Who is to have a code."""

    model_config = ConfigDict(extra="forbid")

    customer: Subject = Field(description="The customer.", examples=[CUSTOMER])


class ClaimRequest(BaseModel):
    """A referee named somebody's code."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="The code, as people write it: any case, with spaces or hyphens.",
        examples=[CODE],
    )
    referee: Subject = Field(description="The customer who was recommended.", examples=[REFEREE])


class CodeView(BaseModel):
    """A customer's code."""

    customer: str = Field(description="Whose code it is.", examples=[CUSTOMER])
    code: str = Field(
        description="What those enter whom the customer recommends us to.", examples=[CODE]
    )
    issued_at: Instant = Field(description="The clock when it was issued.")
    as_of: Instant = AS_OF


class ClaimView(BaseModel):
    """A claim: that a referee named a code."""

    id: UUID = Field(description="The id of the claim.", examples=[CLAIM_ID])
    code: str = Field(description="The code that was named, in its one spelling.", examples=[CODE])
    referee: str = Field(description="Who named it.", examples=[REFEREE])
    recommender: str | None = Field(
        description="Whose code it is; null: nobody's.", examples=[CUSTOMER]
    )
    state: State = Field(description="Where the claim stands.", examples=["qualified"])
    reason: Reason | None = Field(
        description="Why it was refused, or earns nothing; null otherwise.",
        examples=["below_minimum"],
    )
    order_id: str | None = Field(
        description="The referee's first order; null: none yet.", examples=[ORDER]
    )
    claimed_at: Instant = Field(description="When the code was named.")
    expires_at: Instant = Field(
        description="Without an order until then it earns nothing.",
        examples=["2024-07-30T12:00:00Z"],
    )
    as_of: Instant = AS_OF

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
    """Sums in one currency."""

    currency: str = CURRENCY
    pending: int = Field(
        description="Earned, but the order may still go back: in minor units.", examples=[1000]
    )
    available: int = Field(description="Earned for good: in minor units.", examples=[2500])


class BalancesView(BaseModel):
    """What a customer has earned: nothing, for customers of whom nothing is known."""

    customer: str = Field(description="Who has earned it.", examples=[CUSTOMER])
    balances: list[BalanceView] = Field(description="One per currency.")
    parked: bool = Field(
        description="Judging failed: nothing is posted until an operator releases the customer."
    )
    as_of: Instant = AS_OF


class EntryView(BaseModel):
    """One line of a posting."""

    account: Account = Field(description="The account that it changes.")
    amount: int = Field(
        description="What is added (plus) or taken away (minus), in minor units.", examples=[1000]
    )
    currency: str = CURRENCY


class PostingView(BaseModel):
    """A posting; its entries sum to 0. It never changes."""

    id: UUID = Field(description="The id of the posting.")
    kind: Kind = Field(description="What has happened to the reward.")
    time: Instant = Field(description="When, by event time.")
    recorded_at: Instant = Field(description="The clock when it was posted.")
    claim_id: UUID = Field(description="The claim that the reward is for.", examples=[CLAIM_ID])
    cause: str = Field(
        description="The order, or source and id of the event that reversed it.", examples=[ORDER]
    )
    cancels: UUID | None = Field(
        description="The posting that it takes back; null: it takes none back."
    )
    entries: list[EntryView] = Field(
        description="Its lines, by account.",
        examples=[
            [
                {"account": "customer:pending", "amount": 1000, "currency": "EUR"},
                {"account": "program:expense", "amount": -1000, "currency": "EUR"},
            ]
        ],
    )

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


class PostingPage(Page[PostingView]):
    """A part of a customer's postings, the newest first."""


class CountsView(BaseModel):
    """How many codes, claims and rewards there are."""

    as_of: Instant = Field(description="The least clock of all partitions.")
    codes: int = Field(description="Number of customers who have a code.", examples=[120])
    claims: dict[str, int] = Field(
        description="Number of claims by state, those with none too.",
        examples=[
            {
                "accepted": 4,
                "superseded": 1,
                "expired": 9,
                "refused": 2,
                "qualified": 31,
                "unqualified": 3,
            }
        ],
    )
    rewards: dict[str, int] = Field(
        description="Number of rewards, of both sides, by state, those with none too.",
        examples=[{"pending": 6, "available": 52, "reversed": 3, "annulled": 1}],
    )
