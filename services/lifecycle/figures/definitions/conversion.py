"""How many prospects become customers."""

from typing import Final

from pydantic import Field

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.figures.figure import Figure, FigureValue, Unit, share
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources import phase_counts
from services.lifecycle.figures.sources.account_filter import (
    COUNTED_TRANSITIONS,
    transition_statements,
)
from shared.database.connection import Tx

_CONVERTED: Final = transition_statements(
    f"""
WITH visited AS (
    SELECT t.customer,
        min(position) FILTER (WHERE to_phase = '{Phase.PROSPECT}') AS came,
        min(position) FILTER (WHERE from_phase = '{Phase.PROSPECT}') AS went,
        bool_or(from_phase = '{Phase.PROSPECT}' AND to_phase = '{Phase.NEW}') AS bought
    FROM transition AS t {COUNTED_TRANSITIONS} AND t.withdrawn IS NULL
        AND t.occurred_at >= $1 AND t.occurred_at < $2
        AND (t.to_phase = '{Phase.PROSPECT}' OR t.from_phase = '{Phase.PROSPECT}')
    GROUP BY 1
)
SELECT count(*) FILTER (WHERE came < coalesce(went, came + 1)) AS came,
    count(*) FILTER (WHERE bought) AS bought
FROM visited
"""  # noqa: S608  (constants)
)
"""Customers who leave the phase before they enter it were prospects at the beginning already."""


class ConversionValue(FigureValue):
    """How many prospects become customers."""

    value: float | None = Field(
        description="Share of the prospects who became new.", examples=[0.25]
    )
    prospects: int = Field(
        description="Customers who were prospects at any time in the period.", examples=[4]
    )
    converted: int = Field(
        description="Of these, customers who went from prospect to new in the period.", examples=[1]
    )


async def _conversion(tx: Tx, period: Period, account: Account | None) -> ConversionValue:
    row = await tx.fetchrow(_CONVERTED[account], period.since, period.until, account)
    assert row is not None  # noqa: S101  (an aggregate)
    prospects = row["came"] + await phase_counts.prospects(tx, period, account)
    return ConversionValue(
        value=share(row["bought"], prospects), prospects=prospects, converted=row["bought"]
    )


CONVERSION: Final = Figure(
    name="conversion",
    formula="prospects who became new / customers who were prospects at any time in the period",
    source="flow; transition",
    unit=Unit.SHARE,
    value=ConversionValue,
    compute=_conversion,
)
