"""What the API shows of the ledger: balances and postings."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.referral.api.fields import AS_OF, CLAIM_ID, CURRENCY, CUSTOMER, ORDER
from services.referral.domain.ledger import Account
from services.referral.domain.rewards import Kind, Side
from services.referral.ledger.repository import CurrencyBalance, PostingRow
from shared.http import Instant, Page


class BalanceView(BaseModel):
    """Sums in one currency."""

    currency: str = CURRENCY
    pending: int = Field(
        description="Earned, but the order may still go back: in minor units.", examples=[1000]
    )
    available: int = Field(description="Earned for good: in minor units.", examples=[2500])

    @classmethod
    def of(cls, balance: CurrencyBalance) -> Self:
        """The view of a balance."""
        return cls(currency=balance.currency, pending=balance.pending, available=balance.available)


class BalancesView(BaseModel):
    """What a customer has earned; an unknown customer has earned nothing."""

    customer: str = Field(description="The customer who has earned it.", examples=[CUSTOMER])
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
    side: Side = Field(description="Whose reward it is.", examples=["recommender"])
    cause: str = Field(
        description="The order, source and id of the event that reversed it, or `merge`.",
        examples=[ORDER],
    )
    cancels: UUID | None = Field(
        description="The posting that it takes back; null if it takes none back."
    )
    counterpart: UUID | None = Field(
        description="The other posting of a transfer, with the customer on the other side of a "
        "merge; null if it is none."
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
    def of(cls, row: PostingRow) -> Self:
        """The view of a row."""
        entries = [
            EntryView(account=account, amount=amount, currency=currency)
            for account, amount, currency in row.entries
        ]
        return cls(
            id=row.id,
            kind=row.kind,
            time=row.time,
            recorded_at=row.recorded_at,
            claim_id=row.claim_id,
            side=row.side,
            cause=row.cause,
            cancels=row.cancels,
            counterpart=row.counterpart,
            entries=entries,
        )


class PostingPage(Page[PostingView]):
    """A part of a customer's postings, the newest first."""
