"""The HTTP API of customers: one of them, its history, and the counts of all."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends

from services.lifecycle.api.context import Context
from services.lifecycle.api.parameters import AS_OF_IN_FUTURE, AsOf, Names, WithdrawnToo
from services.lifecycle.api.transitions import HistoryPage
from services.lifecycle.customers.parameters import MERGED, UNKNOWN_CUSTOMER, Present, Redirect
from services.lifecycle.customers.schemas import (
    CauseCounts,
    CustomerView,
    HintCounts,
    PhaseCounts,
    RuleCounts,
)
from services.lifecycle.customers.service import CustomerService
from shared.http import (
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


async def customer_service(context: Context) -> CustomerService:
    """The use cases of customers."""
    return CustomerService(context)


Service = Annotated[CustomerService, Depends(customer_service)]


@router.get("/customers/{customer}", responses=problems(MERGED, UNKNOWN_CUSTOMER))
async def show_customer(
    customer: CustomerPath,
    redirect: Redirect,
    service: Service,
    names: Names,
    conditional: Conditional,
) -> CustomerView:
    """The phase of a customer, since when, and what comes next."""
    return conditional.answer(await redirect.unless_found(service.show(customer, names)))


@router.get("/customers/{customer}/history", responses=problems(MERGED, UNKNOWN_CUSTOMER))
async def show_history(
    customer: Present,
    service: Service,
    part: Paging,
    names: Names,
    conditional: Conditional,
    all: WithdrawnToo = False,
) -> HistoryPage:
    """The transitions of a customer, newest first."""
    return conditional.answer(await service.history(customer, part, names, withdrawn_too=all))


@router.post(
    "/customers/{customer}/release",
    status_code=202,
    responses=problems(MERGED, UNKNOWN_CUSTOMER, NOT_PARKED),
    openapi_extra=NOT_REPEATABLE,
)
async def release_customer(customer: Present, service: Service) -> Requested:
    """Fold what waits for a parked customer, once the reason is gone. Soon the customer is parked no longer (409)."""
    await service.release(customer)
    return Requested()


@router.get("/phases", responses=problems(AS_OF_IN_FUTURE))
async def count_phases(service: Service, names: Names, as_of: AsOf = None) -> PhaseCounts:
    """Customers by phase, or by what the phase is in a model, at any instant up to the clock."""
    return await service.count_phases(as_of, names)


@router.get("/transitions/counts", responses=problems(AS_OF_IN_FUTURE))
async def count_transitions(service: Service, as_of: AsOf = None) -> RuleCounts:
    """Transitions of the current histories by rule."""
    return await service.count_transitions(as_of)


@router.get("/causes/counts", responses=problems(AS_OF_IN_FUTURE))
async def count_causes(service: Service, as_of: AsOf = None) -> CauseCounts:
    """Why customers became at risk: moves to at_risk by the kind of their causes. One move may have several."""
    return await service.count_causes(as_of)


@router.get("/hints/counts", responses=problems(AS_OF_IN_FUTURE))
async def count_hints(service: Service, as_of: AsOf = None) -> HintCounts:
    """Hints given to the shop, by name."""
    return await service.count_hints(as_of)
