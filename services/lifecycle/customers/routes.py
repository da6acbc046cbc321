"""The HTTP API of customers: one of them, its history, and its release."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends

from services.lifecycle.api.context import Context
from services.lifecycle.api.parameters import Names, WithdrawnToo
from services.lifecycle.api.transitions import HistoryPage
from services.lifecycle.customers.parameters import (
    UNKNOWN_CUSTOMER,
    Redirect,
    UnmergedCustomer,
)
from services.lifecycle.customers.schemas import CustomerView
from services.lifecycle.customers.service import CustomerService
from shared.http import (
    MERGED,
    MERGED_WRITE,
    NOT_REPEATABLE,
    Conditional,
    CustomerPath,
    Paging,
    ProblemKind,
    Requested,
    problems,
)

router = APIRouter(prefix="/v1", tags=["lifecycle"])

NOT_PARKED: Final = ProblemKind(409, "not_parked", "The customer is not parked.")


async def _service(context: Context) -> CustomerService:
    return CustomerService(context)


Service = Annotated[CustomerService, Depends(_service)]


@router.get("/customers/{customer}", responses=problems(MERGED, UNKNOWN_CUSTOMER))
async def show_customer(
    customer: CustomerPath,
    redirect: Redirect,
    service: Service,
    names: Names,
    conditional: Conditional,
) -> CustomerView:
    """Show the phase of a customer, since when it has held, and what comes next."""
    return conditional.answer(await redirect.unless_found(service.show(customer, names)))


@router.get("/customers/{customer}/history", responses=problems(MERGED, UNKNOWN_CUSTOMER))
async def show_history(
    customer: UnmergedCustomer,
    service: Service,
    part: Paging,
    names: Names,
    conditional: Conditional,
    all: WithdrawnToo = False,
) -> HistoryPage:
    """List the transitions of a customer, newest first."""
    return conditional.answer(await service.history(customer, part, names, withdrawn_too=all))


@router.post(
    "/customers/{customer}/release",
    status_code=202,
    responses=problems(MERGED_WRITE, UNKNOWN_CUSTOMER, NOT_PARKED),
    openapi_extra=NOT_REPEATABLE,
)
async def release_customer(customer: UnmergedCustomer, service: Service) -> Requested:
    """Apply the events that wait for a parked customer, once the reason for parking is gone.

    Soon afterwards the customer is no longer parked, and this is answered with 409.
    """
    return await service.release(customer)
