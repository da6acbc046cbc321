"""Moves between phases by day, week or month, from the daily counts of transitions."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.figures.figure import Figure, FigureValue, Unit
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources.phase_counts import OF_ACCOUNT
from shared.database.connection import Tx


class Span(StrEnum):
    """What moves are counted by."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_FLOWS: Final = f"""
WITH daily AS (
    SELECT day, from_phase, to_phase, sum(n) AS n
    FROM flow WHERE day >= $1 AND day < $2 AND {OF_ACCOUNT} GROUP BY 1, 2, 3
)
SELECT date_trunc($4, day::timestamp)::date AS begins, from_phase, to_phase, sum(n)::bigint AS n
FROM daily GROUP BY 1, 2, 3 HAVING sum(n) <> 0 ORDER BY 1, 2, 3
"""  # noqa: S608  (constants)


class FlowView(BaseModel):
    """The number of transitions from one phase to another."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    from_: Phase | None = Field(
        alias="from", description="The phase that is left; null: not yet known."
    )
    to: Phase = Field(description="The phase that is entered.", examples=[Phase.NEW])
    transitions: int = Field(description="Number of transitions.", examples=[5])


class SpanView(BaseModel):
    """The transitions of a day, week or month, as far as it lies in the period."""

    begins: date = Field(
        description="Its first day in UTC; weeks begin on Monday.", examples=["2024-04-01"]
    )
    flows: list[FlowView] = Field(description="Pairs of phases with transitions between them.")


class FlowsValue(FigureValue):
    """Moves between phases."""

    value: float = Field(description="Transitions in the period.", examples=[5])
    per: Span = Field(description="What `spans` are: days, weeks or months.")
    flows: list[FlowView] = Field(
        description="The whole period: pairs of phases with transitions between them."
    )
    spans: list[SpanView] = Field(
        description="In the order of time; those without transitions are left out."
    )


def flows_value(rows: Iterable[tuple[date, str, str, int]], per: Span) -> FlowsValue:
    """The figure of transitions (first day of the span, phase left, phase entered, number).

    They come in the order of time; the phase left is empty for customers not yet known.
    """
    spans = list[SpanView]()
    total = Counter[tuple[str, str]]()
    for begins, from_, to, n in rows:
        if not spans or spans[-1].begins != begins:
            spans.append(SpanView(begins=begins, flows=[]))
        spans[-1].flows.append(_view(from_, to, n))
        total[from_, to] += n
    whole = [_view(from_, to, n) for (from_, to), n in sorted(total.items())]
    return FlowsValue(value=total.total(), per=per, flows=whole, spans=spans)


async def _flows(tx: Tx, period: Period, account: Account | None, per: Span) -> FlowsValue:
    rows = await tx.fetch(_FLOWS, period.begins, period.ends, account, per)
    return flows_value((tuple(row) for row in rows), per)


def _view(from_: str, to: str, n: int) -> FlowView:
    return FlowView(from_=Phase(from_) if from_ else None, to=Phase(to), transitions=n)


def _per(per: Span) -> Figure[FlowsValue]:
    async def compute(tx: Tx, period: Period, account: Account | None) -> FlowsValue:
        return await _flows(tx, period, account, per)

    return Figure(
        name="flows",
        formula="transitions from each phase to each",
        source="flow",
        unit=Unit.TRANSITIONS,
        value=FlowsValue,
        compute=compute,
        variant=per,
    )


FLOWS: Final = {per: _per(per) for per in Span}
"""By the span that transitions are counted by."""
