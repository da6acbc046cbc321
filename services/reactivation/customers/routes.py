"""Routes for operators: releasing a parked customer."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends

from services.reactivation.api.context import Context
from services.reactivation.api.redirects import Redirect
from services.reactivation.customers.service import CustomerService
from shared.http import MERGED_WRITE, NOT_REPEATABLE, CustomerPath, ProblemKind, Requested, problems
from shared.ids import CustomerId

router = APIRouter(prefix="/v1", tags=["customers"])

_UNKNOWN_CUSTOMER: Final = ProblemKind(404, "unknown_customer", "The customer has never lapsed.")
_NOT_PARKED: Final = ProblemKind(409, "not_parked", "The customer is not parked.")


async def _service(context: Context) -> CustomerService:
    return CustomerService(context)


Service = Annotated[CustomerService, Depends(_service)]


async def _unmerged(redirect: Redirect, customer: CustomerPath) -> CustomerId:
    """The customer in the path. Raises Problem 308 for a merged one."""
    await redirect.check(customer)
    return customer


@router.post(
    "/customers/{customer}/release",
    status_code=202,
    responses=problems(MERGED_WRITE, _UNKNOWN_CUSTOMER, _NOT_PARKED),
    openapi_extra=NOT_REPEATABLE,
)
async def release_customer(
    service: Service, customer: Annotated[CustomerId, Depends(_unmerged)]
) -> Requested:
    """Fold what waits for a parked customer, once the cause is fixed.

    The customer is released in the background; after that, the same request is refused (409).
    """
    return await service.release(customer)
