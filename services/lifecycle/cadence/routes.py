"""The HTTP API of the cadence model: make a fit, see the one in force, compare with fixed days."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from services.lifecycle import clocks
from services.lifecycle.api.context import Context
from services.lifecycle.cadence import repository
from services.lifecycle.cadence.backtest import compare
from services.lifecycle.cadence.fitter import Fitter
from services.lifecycle.cadence.nightly import NightlyFit
from services.lifecycle.cadence.schemas import (
    CadenceView,
    ComparisonView,
    FailureView,
    FitPage,
    FitView,
)
from shared.errors import Problem
from shared.http import NOT_REPEATABLE, Instant, Page, Paging, ProblemKind, problems

router = APIRouter(prefix="/v1/cadence", tags=["cadence"])

NEWEST = 2**63 - 1
_NO_FIT: Final = ProblemKind(
    409, "no_fit", "No fit has been accepted: there is nothing to compare."
)


async def fitter(request: Request) -> Fitter:
    """What makes the fits of this process."""
    found: Fitter = request.app.state.fitter
    return found


async def nights(request: Request) -> NightlyFit:
    """What makes one every night."""
    found: NightlyFit = request.app.state.nights
    return found


@router.post("/fits", status_code=201, openapi_extra=NOT_REPEATABLE)
async def make_fit(fitter: Annotated[Fitter, Depends(fitter)]) -> FitView:
    """Fit the model to all orders until the clock; purchases from the clock on are judged by it, nobody is re-judged.

    While a fit is being made, the answer is that one; sent again later, it makes another. A refused fit is an answer
    too: `accepted` is false, with the reason, and the last accepted one stays in force.
    """
    return FitView.of(await fitter.fit())


@router.get("")
async def show_cadence(
    service: Context, nights: Annotated[NightlyFit, Depends(nights)]
) -> CadenceView:
    """The fit in force, the last attempt, and what a fit needs."""
    clock = await clocks.least_clock(service.pool)
    found, last = await repository.in_force(service.pool), await repository.latest(service.pool)
    return CadenceView(
        silence=(await service.schedule()).at(clock).silence,
        in_force=FitView.of(found) if found else None,
        last=FitView.of(last) if last else None,
        failure=FailureView(**nights.failure._asdict()) if nights.failure else None,
        as_of=clock,
    )


@router.get("/fits")
async def list_fits(service: Context, part: Paging) -> FitPage:
    """All fits, the refused ones too, newest first."""
    clock = await clocks.least_clock(service.pool)
    (before,) = part.after(int) or (NEWEST,)
    rows = await repository.page(service.pool, before, part.limit + 1)
    page = Page[FitView].of(rows, part, key=lambda row: (row.number,), view=FitView.of)
    return FitPage(items=page.items, next_cursor=page.next_cursor, as_of=clock)


@router.get("/comparison", responses=problems(_NO_FIT))
async def compare_models(
    service: Context,
    since: Annotated[
        Instant | None, Query(description="Purchases from here on; default: where the fit begins.")
    ] = None,
) -> ComparisonView:
    """Whom fixed days and whom the cadence would have warned, how early, and how often in vain."""
    found = await repository.in_force(service.pool)
    if found is None:
        raise Problem(409, "no_fit", "No fit has been accepted: there is nothing to compare.")
    begin, as_of = since or found.effective_at, await clocks.least_clock(service.pool)
    policy = (await service.schedule()).at(as_of)
    async with service.pool.acquire() as connection:
        episodes = await repository.episodes(connection, begin, as_of)
    compared = await asyncio.to_thread(compare, episodes, policy, as_of.date())
    return ComparisonView.of(compared, since=begin, as_of=as_of, horizon_days=policy.horizon_days)
