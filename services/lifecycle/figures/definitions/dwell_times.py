"""How long customers stay in each phase."""

from collections import Counter
from typing import Final, TypeAlias

from pydantic import BaseModel, Field

from services.lifecycle.domain.state.phases import Phase, RuleName
from services.lifecycle.figures.figure import Figure, FigureValue, Unit
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources.account_filter import (
    COUNTED_TRANSITIONS,
    transition_statements,
)
from services.lifecycle.figures.sources.kaplan_meier import median, survival_curve
from services.lifecycle.figures.sources.phase_counts import PASSIVE
from shared.database.connection import Tx

_DAY: Final = 86400

_STAYS: Final = transition_statements(
    f"""
WITH step AS MATERIALIZED (
    SELECT t.customer, t.position, t.from_phase, t.to_phase, t.since, t.occurred_at
    FROM transition AS t {COUNTED_TRANSITIONS} AND t.withdrawn IS NULL
        AND t.occurred_at >= $1 AND t.occurred_at < $2
),
ended AS (SELECT from_phase AS phase, since, occurred_at FROM step WHERE since >= $1),
given_back AS (
    SELECT step.to_phase AS phase, step.occurred_at, (
        SELECT b.occurred_at FROM transition AS b
        WHERE b.customer = t.customer AND b.withdrawn IS NULL AND b.position < t.position
            AND b.to_phase = t.to_phase AND b.rule <> t.rule
        ORDER BY b.position DESC LIMIT 1
    ) AS since
    FROM step JOIN transition AS t
        ON t.customer = step.customer AND t.position = step.position AND t.withdrawn IS NULL
    WHERE step.from_phase = '{Phase.WON_BACK}' AND step.to_phase = ANY($4::text[])
        AND t.rule = '{RuleName.FIRST_PURCHASE_UNDONE}'
),
watched AS (
    SELECT to_phase AS phase, occurred_at AS since, 1 AS n FROM step
    UNION ALL SELECT phase, since, -1 FROM ended
    UNION ALL SELECT phase, occurred_at, -1 FROM given_back
    UNION ALL SELECT phase, since, 1 FROM given_back WHERE since >= $1
)
SELECT phase,
    true AS ended,
    ceil(date_part('epoch', occurred_at - since) / {_DAY})::int AS day,
    count(*) AS n
FROM ended GROUP BY 1, 3
UNION ALL
SELECT phase, false, floor(date_part('epoch', $2 - since) / {_DAY})::int, sum(n)
FROM watched GROUP BY 1, 3 HAVING sum(n) <> 0
"""  # noqa: S608  (constants)
)
"""Every transition begins a stay in the phase that it leads to; a stay that has not ended runs.

A return that is undone gives the phase before it back with its old beginning.
"""


class DwellingStepView(BaseModel):
    """A day of age at which stays ended."""

    day: int = Field(description="Age of a stay in days.", examples=[90])
    at_risk: int = Field(
        description="Stays that lasted longer than the day before and were watched on this one.",
        examples=[1],
    )
    ended: int = Field(description="Of these, stays that ended within the day.", examples=[1])
    survival: float = Field(
        description="Estimated share of all stays that last longer.", examples=[0]
    )


class DwellView(BaseModel):
    """Stays in one phase that began in the period."""

    phase: Phase = Field(description="The phase that they are in.", examples=[Phase.AT_RISK])
    stays: int = Field(description="Stays that began in the period.", examples=[2])
    ended: int = Field(
        description="Of these, stays that ended before `to`; the others were still running then.",
        examples=[1],
    )
    median_days: int | None = Field(
        description="Days by which half of the stays have ended; null if half have not.",
        examples=[90],
    )
    survival: list[DwellingStepView] = Field(
        description="The curve by Kaplan and Meier, where it falls; before, it is 1."
    )


class DwellValue(FigureValue):
    """How long customers stay in each phase."""

    value: float | None = Field(
        description="Median in days of all stays, whatever the phase; null if half have not ended.",
        examples=[90],
    )
    phases: list[DwellView] = Field(description="Phases in which stays began.")


Stays: TypeAlias = dict[Phase, Counter[int]]
"""Numbers of stays by phase and days."""


def dwell_value(ended: Stays, running: Stays) -> DwellValue:
    """The figure of stays in each phase, by length in days and by age in days."""
    views = (_view(phase, ended[phase], running[phase]) for phase in Phase)
    all_ended = sum(ended.values(), Counter[int]())
    all_running = sum(running.values(), Counter[int]())
    pooled = survival_curve(all_ended, all_running)
    return DwellValue(value=median(pooled), phases=[view for view in views if view.stays])


async def _dwell_times(tx: Tx, period: Period, account: Account | None) -> DwellValue:
    ended: Stays = {phase: Counter() for phase in Phase}
    running: Stays = {phase: Counter() for phase in Phase}
    for row in await tx.fetch(_STAYS[account], period.since, period.until, account, PASSIVE):
        stays = ended if row["ended"] else running
        stays[Phase(row["phase"])][row["day"]] += row["n"]
    return dwell_value(ended, running)


def _view(phase: Phase, ended: Counter[int], running: Counter[int]) -> DwellView:
    curve = survival_curve(ended, running)
    return DwellView(
        phase=phase,
        stays=ended.total() + running.total(),
        ended=ended.total(),
        median_days=median(curve),
        survival=[DwellingStepView(**step._asdict()) for step in curve],
    )


DWELL_TIMES: Final = Figure(
    name="dwell_times",
    formula="per phase, Kaplan-Meier estimate from the stays that began in the period, watched "
    "until `to`",
    source="transition",
    unit=Unit.DAYS,
    value=DwellValue,
    compute=_dwell_times,
)
