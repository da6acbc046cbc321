"""What the API takes and shows when a code is redeemed."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.reactivation.api.fields import (
    AS_OF,
    CASE_ID,
    CUSTOMER,
    CUSTOMER_OF_CASE,
    ORDER,
    PARKED,
)
from services.reactivation.cases.schemas import OfferView
from services.reactivation.cases.search import CaseSnapshot
from services.reactivation.domain.cases import State
from shared.events.fields import Id, Subject
from shared.http import Instant


class Redemption(BaseModel):
    """The order that a code is for."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    customer: Subject = Field(
        description="Who orders: the customer whom the code was given to, by any of its ids;"
        " or, after an unmerge, who reserved it for this order before.",
        examples=[CUSTOMER],
    )
    order_id: Id = Field(description="The shop's id of the order.", examples=[ORDER])


class RedemptionView(OfferView):
    """An offer after a request at checkout, with its case and customer."""

    case_id: UUID = Field(description="The case that the offer belongs to.", examples=[CASE_ID])
    case_state: State = Field(description="The state of that case.", examples=["offered"])
    customer: str = CUSTOMER_OF_CASE
    parked: bool = PARKED
    as_of: Instant = AS_OF

    @classmethod
    def of(cls, snapshot: CaseSnapshot) -> "RedemptionView":
        """The offer of a case, with the case."""
        offer = OfferView.of(snapshot).model_dump()
        case = snapshot.case
        return cls(
            **offer,
            case_id=case.id,
            case_state=case.state,
            customer=case.customer,
            parked=snapshot.parked,
            as_of=snapshot.as_of,
        )
