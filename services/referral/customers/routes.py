"""Routes for operators: releasing a parked customer."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends

from services.referral.api.context import Context
from services.referral.customers.parameters import UnmergedCustomer
from services.referral.customers.service import CustomerService
from shared.http import MERGED_WRITE, NOT_REPEATABLE, ProblemKind, Requested, problems

router = APIRouter(prefix="/v1", tags=["referral"])

_NOT_PARKED: Final = ProblemKind(409, "not_parked", "The customer is not parked.")


async def _service(context: Context) -> CustomerService:
    return CustomerService(context)


Service = Annotated[CustomerService, Depends(_service)]


@router.post(
    "/customers/{customer}/release",
    status_code=202,
    responses=problems(MERGED_WRITE, _NOT_PARKED),
    openapi_extra=NOT_REPEATABLE,
)
async def release_customer(customer: UnmergedCustomer, service: Service) -> Requested:
    """Judge a parked customer again, once the cause is fixed.

    The customer is released in the background; after that, the same request is refused (409).
    """
    return await service.release(customer)
