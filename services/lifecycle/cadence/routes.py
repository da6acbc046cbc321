"""The HTTP API of the cadence model: make a fit, see fits, compare with fixed days."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from services.lifecycle.api.context import Context
from services.lifecycle.cadence.schemas import CadenceView, ComparisonView, FitPage, FitView
from services.lifecycle.cadence.service import CadenceService
from shared.http import NOT_REPEATABLE, Instant, Paging, ProblemKind, problems

router = APIRouter(prefix="/v1/cadence", tags=["cadence"])

_NO_FIT: Final = ProblemKind(
    409, "no_fit", "No fit has been accepted: there is nothing to compare."
)

Since = Annotated[
    Instant | None,
    Query(description="Purchases from here on; default: from where the fit in force begins."),
]


async def _service(context: Context, request: Request) -> CadenceService:
    state = request.app.state
    return CadenceService(context, state.fitter, state.nightly_fit)


Service = Annotated[CadenceService, Depends(_service)]


@router.post("/fits", status_code=201, openapi_extra=NOT_REPEATABLE)
async def make_fit(service: Service) -> FitView:
    """Fit the model to all orders until the clock. It judges purchases from the clock on.

    Nobody is judged again. Requests that come while a fit is being made get that fit; a later one
    makes another. A refused fit is an answer too: `accepted` is false, with the reason, and the
    last accepted one stays in force.
    """
    return await service.fit()


@router.get("")
async def show_cadence(service: Service) -> CadenceView:
    """Show the fit in force, the last attempt, and what a fit needs."""
    return await service.show()


@router.get("/fits")
async def list_fits(service: Service, part: Paging) -> FitPage:
    """List all fits, refused ones too, the newest first."""
    return await service.list(part)


@router.get("/comparison", responses=problems(_NO_FIT))
async def compare_models(service: Service, since: Since = None) -> ComparisonView:
    """Compare fixed days and cadence: customers warned, how early, and how often in vain."""
    return await service.compare(since)
