"""The HTTP API of figures: all at a glance, each in detail, and the daily counts checked and rebuilt."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from services.lifecycle.api.context import Context
from services.lifecycle.figures.catalogue import FIGURES
from services.lifecycle.figures.definitions.flows import FLOWS, FlowsValue, Span
from services.lifecycle.figures.figure import Figure, V
from services.lifecycle.figures.period import Account, Day
from services.lifecycle.figures.recount.service import check, rebuild
from services.lifecycle.figures.schemas import (
    CheckView,
    FigureView,
    HeadlineView,
    OverviewView,
    PeriodView,
    RebuildView,
    view_of,
)
from services.lifecycle.figures.service import FigureService
from shared.errors import FieldError, Problem
from shared.http import ProblemKind, problems

router = APIRouter(prefix="/v1/figures", tags=["figures"])

MOST_DAYS: Final = 366
"""Of an answer that counts by day."""
IN_THE_FUTURE: Final = ProblemKind(
    422, "in_the_future", "`to` lies after the clock: nobody knows yet."
)


async def figures(request: Request) -> FigureService:
    """What computes the figures of this process."""
    found: FigureService = request.app.state.figures
    return found


Desk = Annotated[FigureService, Depends(figures)]
From = Annotated[
    Day | None,
    Query(
        alias="from",
        description="First day in UTC, or the instant at which it begins; default: 30 days before `to`.",
    ),
]
To = Annotated[
    Day | None,
    Query(
        description="The day after the last one, at most the clock's; default: the day of the clock furthest behind."
    ),
]
Of = Annotated[
    Account | None, Query(description="Only customers whose account is of this kind now.")
]


@router.get("", responses=problems(IN_THE_FUTURE))
async def show_figures(
    desk: Desk, from_: From = None, to: To = None, account: Of = None
) -> OverviewView:
    """The headlines of all figures, with those of the period before beside them."""
    period = await desk.period(from_, to)
    found = await desk.headlines(list(FIGURES.values()), (period, period.before), account)
    items = [
        HeadlineView.of(
            figure, found[figure.key, period.begins], found[figure.key, period.before.begins]
        )
        for figure in FIGURES.values()
    ]
    before = PeriodView.of(period.before)
    return OverviewView(
        from_=period.begins, to=period.ends, account=account, before=before, items=items
    )


@router.get("/flows", response_model=view_of(FLOWS[Span.MONTH]), responses=problems(IN_THE_FUTURE))
async def show_flows(
    desk: Desk,
    from_: From = None,
    to: To = None,
    account: Of = None,
    per: Annotated[Span, Query(description="What transitions are counted by.")] = Span.MONTH,
) -> FigureView[FlowsValue]:
    """Transitions from each phase to each, by day, week or month. By day, a period has at most 366 days."""
    period = await desk.period(from_, to)
    if per is Span.DAY and period.days > MOST_DAYS:
        wrong = FieldError("per", f"by day, a period has at most {MOST_DAYS} days")
        raise Problem(422, "invalid", f"per: the period has {period.days} days.", errors=(wrong,))
    answer = await desk.one(FLOWS[per], period, account)
    return FigureView[FlowsValue].told(FLOWS[per], period, account, answer)


def _showing(
    figure: Figure[V], view: type[FigureView[V]]
) -> Callable[..., Awaitable[FigureView[V]]]:
    async def show(
        desk: Desk, from_: From = None, to: To = None, account: Of = None
    ) -> FigureView[V]:
        period = await desk.period(from_, to)
        answer = await desk.one(figure, period, account)
        return view.told(figure, period, account, answer)

    show.__name__ = f"show_{figure.name}"
    return show


for _figure in FIGURES.values():
    if _figure.name != "flows":
        _view = view_of(_figure)
        router.add_api_route(
            f"/{_figure.name}",
            _showing(_figure, _view),
            response_model=_view,
            responses=problems(IN_THE_FUTURE),
            description=f"{_figure.title} {_figure.formula[0].upper()}{_figure.formula[1:]}.",
        )


@router.get("/flows/check")
async def check_flows(service: Context) -> CheckView:
    """Compare the daily counts of transitions with the transitions themselves; nothing is changed."""
    return CheckView.of(await check(service.pool))


@router.post("/rebuild")
async def rebuild_figures(service: Context) -> RebuildView:
    """Count the transitions anew, mend the daily counts that differ, and drop all stored figures.

    Meanwhile nobody is judged: workers wait for it. Sending it again is safe.
    """
    return RebuildView.of(await rebuild(service.pool))
