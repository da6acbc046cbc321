"""The HTTP API of figures: all at a glance, each in detail, and the check of the daily counts."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from services.lifecycle.figures.catalogue import FIGURES
from services.lifecycle.figures.definitions.flows import FLOWS, FlowsValue, Span
from services.lifecycle.figures.figure import Figure, V
from services.lifecycle.figures.period import Account, Day
from services.lifecycle.figures.schemas import (
    CheckView,
    FigureView,
    OverviewView,
    RebuildView,
    view_of,
)
from services.lifecycle.figures.service import FigureService
from shared.http import ProblemKind, problems

router = APIRouter(prefix="/v1/figures", tags=["figures"])

IN_THE_FUTURE: Final = ProblemKind(
    422, "in_the_future", "`to` lies after the clock: nobody knows yet."
)


async def _service(request: Request) -> FigureService:
    service: FigureService = request.app.state.figures
    return service


Service = Annotated[FigureService, Depends(_service)]
From = Annotated[
    Day | None,
    Query(
        alias="from",
        description="First day in UTC, or the instant at which it begins; default: 30 days before "
        "`to`.",
    ),
]
To = Annotated[
    Day | None,
    Query(
        description="The day after the last one, at most the clock's; default: the day of the "
        "clock furthest behind."
    ),
]
OfAccount = Annotated[
    Account | None, Query(description="Only customers whose account is of this kind now.")
]


@router.get("", responses=problems(IN_THE_FUTURE))
async def show_figures(
    service: Service, from_: From = None, to: To = None, account: OfAccount = None
) -> OverviewView:
    """Show the headlines of all figures, beside those of the period before."""
    return OverviewView.of(await service.overview(from_, to, account))


@router.get("/flows", response_model=view_of(FLOWS[Span.MONTH]), responses=problems(IN_THE_FUTURE))
async def show_flows(
    service: Service,
    from_: From = None,
    to: To = None,
    account: OfAccount = None,
    per: Annotated[Span, Query(description="What transitions are counted by.")] = Span.MONTH,
) -> FigureView[FlowsValue]:
    """Count transitions from phase to phase, by day (at most 366 of them), week or month."""
    return FigureView[FlowsValue].of(await service.flows(per, from_, to, account))


def _endpoint(
    figure: Figure[V], view: type[FigureView[V]]
) -> Callable[..., Awaitable[FigureView[V]]]:
    """What answers with one figure."""

    async def show(
        service: Service, from_: From = None, to: To = None, account: OfAccount = None
    ) -> FigureView[V]:
        return view.of(await service.detail(figure, from_, to, account))

    show.__name__ = f"show_{figure.name}"
    return show


for _figure in FIGURES.values():
    if _figure.name != "flows":
        _view = view_of(_figure)
        router.add_api_route(
            f"/{_figure.name}",
            _endpoint(_figure, _view),
            response_model=_view,
            responses=problems(IN_THE_FUTURE),
            description=f"{_figure.title} {_figure.formula[0].upper()}{_figure.formula[1:]}.",
        )


@router.get("/flows/check")
async def check_flows(service: Service) -> CheckView:
    """Compare the daily counts of transitions with the transitions; nothing is changed."""
    return CheckView.of(await service.check())


@router.post("/rebuild")
async def rebuild_figures(service: Service) -> RebuildView:
    """Count the transitions anew, mend the daily counts that differ, and drop all stored figures.

    Meanwhile nobody is judged: workers wait for it. Sending it again is safe.
    """
    return RebuildView.of(await service.rebuild())
