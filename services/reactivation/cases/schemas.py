"""What the API shows of cases, each with its offer."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.reactivation.api.fields import (
    AS_OF,
    CASE_ID,
    CODE,
    CUSTOMER_OF_CASE,
    ORDER,
    PARKED,
)
from services.reactivation.cases.search import CaseSnapshot, StateCounts
from services.reactivation.domain.cases import State
from services.reactivation.domain.offers import OfferState
from shared.http import Instant, Page


class Incentive(BaseModel):
    """What the offer promises."""

    kind: str = Field(
        description="`percent`: a share of the price of one order.", examples=["percent"]
    )
    value: int = Field(description="How much, in per cent.", examples=[10])


class OfferView(BaseModel):
    """An offer, as it stands at `as_of`."""

    code: str = Field(description="What the customer enters when ordering.", examples=[CODE])
    state: OfferState = Field(description="What may be done with the code now.", examples=["open"])
    incentive: Incentive = Field(description="What it promises.")
    made_at: Instant = Field(description="When it was made.", examples=["2024-04-30T12:00:00Z"])
    expires_at: Instant = Field(
        description="From this instant on the code is refused.", examples=["2024-05-30T12:00:00Z"]
    )
    order_id: str | None = Field(
        description="The order that the code is reserved or was used for; null: none.",
        examples=[ORDER],
    )
    reserved_until: Instant | None = Field(
        description="Until when the code is reserved for that order; null unless it is reserved."
    )

    @classmethod
    def of(cls, snapshot: CaseSnapshot) -> "OfferView":
        """The offer of a case that has one, as of its partition's clock."""
        code = snapshot.offered_code
        offer = code.offer
        now = snapshot.checkout_at
        state = code.state(now)
        return cls(
            code=offer.code,
            state=state,
            incentive=Incentive(kind="percent", value=offer.percent),
            made_at=offer.made_at,
            expires_at=offer.expires_at,
            order_id=code.holder(now),
            reserved_until=offer.reserved_until if state is OfferState.RESERVED else None,
        )


class TriggerView(BaseModel):
    """The transition that opened the case."""

    rule: str = Field(description="The rule of lifecycle that fired.", examples=["fell_silent"])
    to: str = Field(
        description="The customer's phase since then: `inactive` or `former`.",
        examples=["inactive"],
    )
    occurred_at: Instant = Field(
        description="When, by event time.", examples=["2024-04-30T12:00:00Z"]
    )


class CaseView(BaseModel):
    """A case, as it stands at `as_of`."""

    id: UUID = Field(description="The id of the case.", examples=[CASE_ID])
    customer: str = CUSTOMER_OF_CASE
    state: State = Field(description="The state of the case.", examples=["offered"])
    opened_at: Instant = Field(
        description="When the customer lapsed.", examples=["2024-04-30T12:00:00Z"]
    )
    trigger: TriggerView = Field(description="The transition that opened it.")
    offer: OfferView | None = Field(
        description="What was promised; null if the case was let go: nothing was."
    )
    closed_at: Instant | None = Field(
        description="When it ended, by event time; null while it runs.",
        examples=["2024-05-01T12:00:00Z"],
    )
    order_id: str | None = Field(
        description="The order that ended it; null: none has.", examples=[ORDER]
    )
    with_code: bool | None = Field(
        description="Whether that order came with the code; null: no order has ended it."
    )
    reason: str | None = Field(
        description=(
            "Why it was cancelled (`transition_withdrawn`, `superseded`) or let go "
            "(`customer_closed`, `consent_withdrawn`, `newsletter_unsubscribed`); "
            "null unless it was."
        ),
        examples=["transition_withdrawn"],
    )
    version: int = Field(
        description="How many records have been published about the case.", examples=[2]
    )
    parked: bool = PARKED
    as_of: Instant = AS_OF

    @classmethod
    def of(cls, snapshot: CaseSnapshot) -> "CaseView":
        """A case, as of its partition's clock."""
        case = snapshot.case
        lapse = case.lapse
        return cls(
            id=case.id,
            customer=case.customer,
            state=case.state,
            opened_at=lapse.occurred_at,
            trigger=TriggerView(rule=lapse.rule, to=lapse.phase, occurred_at=lapse.occurred_at),
            offer=OfferView.of(snapshot) if case.offer else None,
            closed_at=case.ended_at,
            order_id=case.order_id,
            with_code=case.with_code,
            reason=case.reason,
            version=case.version,
            parked=snapshot.parked,
            as_of=snapshot.as_of,
        )


class CasePage(Page[CaseView]):
    """A part of the cases, the newest first."""


class CountsView(BaseModel):
    """How many cases and offers there are, by state."""

    as_of: Instant = Field(description="The least clock of all partitions.")
    cases: dict[State, int] = Field(
        description="Number of cases by state; states without cases count 0.",
        examples=[
            {
                "open": 0,
                "offered": 12,
                "reopened": 0,
                "won_back": 7,
                "expired": 3,
                "let_go": 0,
                "cancelled": 1,
            }
        ],
    )
    offers: dict[OfferState, int] = Field(
        description="Number of offers by state; states without offers count 0.",
        examples=[{"open": 11, "reserved": 1, "redeemed": 6, "expired": 5}],
    )

    @classmethod
    def of(cls, counts: StateCounts) -> Self:
        """The counts with all states."""
        return cls(
            as_of=counts.as_of,
            cases={state: counts.cases.get(state, 0) for state in State},
            offers={state: counts.offers.get(state, 0) for state in OfferState},
        )
