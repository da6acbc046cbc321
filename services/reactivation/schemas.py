"""What the API takes and gives."""

from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.reactivation.domain import offers
from services.reactivation.domain.cases import State
from services.reactivation.domain.offers import OfferState
from services.reactivation.queries import Standing
from shared.events.fields import Id, Subject
from shared.http import Instant

PARKED: Final[Any] = Field(description="Folding failed: the case stands still until an operator releases the customer.")


class Redemption(BaseModel):
    """Whose order the code is for."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    customer: Subject
    order_id: Id


class Incentive(BaseModel):
    """`value` percent off one order."""

    kind: str
    value: int


class OfferView(BaseModel):
    """An offer; `order_id` is the order that its code is reserved or was used for."""

    code: str
    state: OfferState
    incentive: Incentive
    made_at: Instant
    expires_at: Instant
    order_id: str | None
    reserved_until: Instant | None

    @classmethod
    def of(cls, found: Standing) -> "OfferView":
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

    rule: str
    to: str
    occurred_at: Instant


class CaseView(BaseModel):
    """A case; `order_id` is the order that ended it, `reason` why it was cancelled."""

    id: UUID
    customer: str
    state: State
    opened_at: Instant
    trigger: TriggerView
    offer: OfferView
    closed_at: Instant | None
    order_id: str | None
    with_code: bool | None
    reason: str | None
    version: int
    parked: bool = PARKED
    as_of: Instant

    @classmethod
    def of(cls, found: Standing) -> "CaseView":
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


class RedemptionView(OfferView):
    """An offer after a request at the till, with its case and customer."""

    case_id: UUID
    case_state: State
    customer: str
    parked: bool = PARKED
    as_of: Instant

    @classmethod
    def of(cls, found: Standing) -> "RedemptionView":
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
    """How many cases and offers there are, by state; `as_of` is the least clock of all partitions."""

    as_of: Instant
    cases: dict[State, int]
    offers: dict[OfferState, int]
