"""What the API takes and gives."""

from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.reactivation.cases.search import CaseRow
from services.reactivation.domain import offers
from services.reactivation.domain.cases import State
from services.reactivation.domain.offers import OfferState
from shared.events.fields import Id, Subject
from shared.http import Instant, Page

CUSTOMER: Final = "customer-3"
CASE_ID: Final = "317ad9d1-b130-58af-bcf8-4d4b77fbbdad"
CODE: Final = "DT4E6BP2242NJD57J"
PARKED: Final[Any] = Field(
    description="Folding failed: the case stands still until an operator releases the customer."
)
WHOSE: Final[Any] = Field(description="Whom the case is about.", examples=[CUSTOMER])
AS_OF: Final[Any] = Field(
    description="The clock of the customer's partition, at which the case stood like this."
)


class Redemption(BaseModel):
    """Whose order the code is for."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    customer: Subject = Field(
        description="Who orders: the customer whom the code was given to.", examples=[CUSTOMER]
    )
    order_id: Id = Field(description="The shop's id of the order.", examples=["o-1004"])


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
        description="From here on the code is refused.", examples=["2024-05-30T12:00:00Z"]
    )
    order_id: str | None = Field(
        description="The order that the code is reserved or was used for; null: none.",
        examples=["o-1004"],
    )
    reserved_until: Instant | None = Field(
        description="Until when the code is put aside for that order; null unless it is reserved."
    )

    @classmethod
    def of(cls, found: CaseRow) -> "OfferView":
        """The offer of a case, as of its partition's clock."""
        offer, now = found.case.offer, max(found.as_of, found.case.offer.made_at)
        state = offers.state_of(found.case, now)
        return cls(
            code=offer.code,
            state=state,
            incentive=Incentive(kind="percent", value=offer.percent),
            made_at=offer.made_at,
            expires_at=offer.expires_at,
            order_id=offers.holder(found.case, now),
            reserved_until=offer.reserved_until if state is OfferState.RESERVED else None,
        )


class TriggerView(BaseModel):
    """The transition that opened the case."""

    rule: str = Field(description="The rule of lifecycle that fired.", examples=["fell_silent"])
    to: str = Field(
        description="The phase that the customer came into: `inactive` or `former`.",
        examples=["inactive"],
    )
    occurred_at: Instant = Field(
        description="When, by event time.", examples=["2024-04-30T12:00:00Z"]
    )


class CaseView(BaseModel):
    """A case, as it stands at `as_of`."""

    id: UUID = Field(description="The id of the case.", examples=[CASE_ID])
    customer: str = WHOSE
    state: State = Field(description="Where the case stands.", examples=["offered"])
    opened_at: Instant = Field(
        description="When the customer lapsed.", examples=["2024-04-30T12:00:00Z"]
    )
    trigger: TriggerView = Field(description="The transition that opened it.")
    offer: OfferView = Field(description="What was promised.")
    closed_at: Instant | None = Field(
        description="When it ended, by event time; null while it runs.",
        examples=["2024-05-01T12:00:00Z"],
    )
    order_id: str | None = Field(
        description="The order that ended it; null: none has.", examples=["o-1004"]
    )
    with_code: bool | None = Field(
        description="Whether that order came with the code; null: no order has ended it."
    )
    reason: str | None = Field(
        description="Why it was cancelled; null unless it was.", examples=["transition_withdrawn"]
    )
    version: int = Field(
        description="How many records have been published about the case.", examples=[2]
    )
    parked: bool = PARKED
    as_of: Instant = AS_OF

    @classmethod
    def of(cls, found: CaseRow) -> "CaseView":
        """A case, as of its partition's clock."""
        case, lapse = found.case, found.case.lapse
        return cls(
            id=case.id,
            customer=case.customer,
            state=case.state,
            opened_at=lapse.occurred_at,
            trigger=TriggerView(rule=lapse.rule, to=lapse.phase, occurred_at=lapse.occurred_at),
            offer=OfferView.of(found),
            closed_at=case.ended_at,
            order_id=case.order_id,
            with_code=case.with_code,
            reason=case.reason,
            version=case.version,
            parked=found.parked,
            as_of=found.as_of,
        )


class CasePage(Page[CaseView]):
    """A part of the cases, the newest first."""


class RedemptionView(OfferView):
    """An offer after a request at the till, with its case and customer."""

    case_id: UUID = Field(description="The case that the offer belongs to.", examples=[CASE_ID])
    case_state: State = Field(description="Where that case stands.", examples=["offered"])
    customer: str = WHOSE
    parked: bool = PARKED
    as_of: Instant = AS_OF

    @classmethod
    def of(cls, found: CaseRow) -> "RedemptionView":
        """What the till answers."""
        offer = OfferView.of(found).model_dump()
        case = found.case
        return cls(
            **offer,
            case_id=case.id,
            case_state=case.state,
            customer=case.customer,
            parked=found.parked,
            as_of=found.as_of,
        )


class CountsView(BaseModel):
    """How many cases and offers there are, by state."""

    as_of: Instant = Field(description="The least clock of all partitions.")
    cases: dict[State, int] = Field(
        description="Number of cases by state, those with none too.",
        examples=[{"open": 0, "offered": 12, "won_back": 7, "expired": 3, "cancelled": 1}],
    )
    offers: dict[OfferState, int] = Field(
        description="Number of offers by state, those with none too.",
        examples=[{"open": 11, "reserved": 1, "redeemed": 6, "expired": 4, "withdrawn": 1}],
    )
