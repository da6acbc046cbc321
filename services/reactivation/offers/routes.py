"""Routes of offers: a shop reserves, confirms and releases a code at checkout."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path

from services.reactivation.api.context import Context
from services.reactivation.api.fields import CODE
from services.reactivation.offers.schemas import Redemption, RedemptionView
from services.reactivation.offers.service import OfferService
from shared.http import IdPath, ProblemKind, problems

router = APIRouter(prefix="/v1", tags=["offers"])

_REFUSALS: Final = (
    ProblemKind(403, "not_your_code", "The code was given to another customer."),
    ProblemKind(404, "unknown_code", "There is no such code."),
    ProblemKind(409, "already_reserved", "The code is reserved for another order."),
    ProblemKind(409, "already_redeemed", "The code has been used."),
)
_NOT_RESERVED: Final = ProblemKind(
    409, "not_reserved", "The code is not reserved for this order, or no longer."
)
_EXPIRED: Final = ProblemKind(410, "offer_expired", "The offer has expired.")


async def _service(context: Context) -> OfferService:
    return OfferService(context)


Service = Annotated[OfferService, Depends(_service)]
Code = Annotated[
    IdPath, Path(description="A code, as people write it: any case, with hyphens.", examples=[CODE])
]


@router.post("/offers/{code}/reserve", responses=problems(*_REFUSALS, _EXPIRED))
async def reserve(service: Service, code: Code, order: Redemption) -> RedemptionView:
    """Reserve a code for an order, for `reservation_minutes`, at most until the offer expires."""
    return await service.reserve(code, order)


@router.post("/offers/{code}/confirm", responses=problems(*_REFUSALS, _NOT_RESERVED, _EXPIRED))
async def confirm(service: Service, code: Code, order: Redemption) -> RedemptionView:
    """Use a code: the order was placed, and the case is won back.

    If the order is cancelled or refunded later, the code comes back.
    """
    return await service.confirm(code, order)


@router.post("/offers/{code}/release", responses=problems(*_REFUSALS))
async def release(service: Service, code: Code, order: Redemption) -> RedemptionView:
    """Free a code again: the order was given up."""
    return await service.release(code, order)
