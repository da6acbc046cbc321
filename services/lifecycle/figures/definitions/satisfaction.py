"""What customers think: Net Promoter Score and satisfaction, by the last score of each."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from services.lifecycle.figures.figure import Figure, FigureValue, Unit, share
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources.account_filter import COUNTED_EVENTS, event_statements
from shared.database.connection import Tx

PROMOTER: Final = 9
PASSIVE: Final = 7
SATISFIED: Final = 4
_SCORES: Final = event_statements(
    f"""
WITH last AS (
    SELECT DISTINCT ON (e.customer_key) (content.data ->> 'score')::numeric::int AS score
    FROM event AS e
    CROSS JOIN LATERAL json_to_record(convert_from(e.body, 'UTF8')::json)
        AS content(source text, id text, data json)
    WHERE e.type = 'feedback.submitted' AND e.time >= $1 AND e.time < $2
        AND {COUNTED_EVENTS} AND content.data ->> 'kind' = $4
    ORDER BY e.customer_key, e.time DESC,
        content.source COLLATE "C" DESC, content.id COLLATE "C" DESC
)
SELECT score, count(*) AS n FROM last GROUP BY 1 ORDER BY 1
"""  # noqa: S608  (constants)
)


class NpsValue(FigureValue):
    """How many more promoters than detractors there are."""

    value: float | None = Field(
        description="Per cent of promoters less per cent of detractors, from -100 to 100.",
        examples=[25.0],
    )
    promoters: int = Field(
        description="Customers whose last score in the period is 9 or 10.", examples=[50]
    )
    passives: int = Field(
        description="Customers whose last score in the period is 7 or 8.", examples=[25]
    )
    detractors: int = Field(
        description="Customers whose last score in the period is 6 or less.", examples=[25]
    )
    customers: int = Field(description="Number of all these customers.", examples=[100])


class CsatValue(FigureValue):
    """How satisfied customers are."""

    value: float | None = Field(
        description="Share of the customers whose last score in the period is 4 or 5.",
        examples=[0.9],
    )
    mean: float | None = Field(
        description="Mean of the last scores, from 1 to 5; null without any.", examples=[4.3]
    )
    satisfied: int = Field(
        description="Customers whose last score in the period is 4 or 5.", examples=[45]
    )
    customers: int = Field(description="Customers with a score in the period.", examples=[50])


def nps(scores: Mapping[int, int]) -> NpsValue:
    """The Net Promoter Score of so many customers by their last score, 0 to 10."""
    customers = sum(scores.values())
    promoters = sum(n for score, n in scores.items() if score >= PROMOTER)
    detractors = sum(n for score, n in scores.items() if score < PASSIVE)
    return NpsValue(
        value=share(100 * (promoters - detractors), customers),
        promoters=promoters,
        passives=customers - promoters - detractors,
        detractors=detractors,
        customers=customers,
    )


def csat(scores: Mapping[int, int]) -> CsatValue:
    """The satisfaction of so many customers by their last score, 1 to 5."""
    customers = sum(scores.values())
    satisfied = sum(n for score, n in scores.items() if score >= SATISFIED)
    return CsatValue(
        value=share(satisfied, customers),
        mean=share(sum(score * n for score, n in scores.items()), customers),
        satisfied=satisfied,
        customers=customers,
    )


async def _scores(tx: Tx, period: Period, account: Account | None, kind: str) -> Mapping[int, int]:
    """Customers by their last score of a kind."""
    rows = await tx.fetch(_SCORES[account], period.since, period.until, account, kind)
    return {row["score"]: row["n"] for row in rows}


async def _nps(tx: Tx, period: Period, account: Account | None) -> NpsValue:
    return nps(await _scores(tx, period, account, "nps"))


async def _csat(tx: Tx, period: Period, account: Account | None) -> CsatValue:
    return csat(await _scores(tx, period, account, "csat"))


NPS: Final = Figure(
    name="nps",
    formula="% promoters (9, 10) - % detractors (0 to 6), by the last NPS score of each customer "
    "in the period",
    source="event: feedback.submitted of kind nps",
    unit=Unit.POINTS,
    value=NpsValue,
    compute=_nps,
)
CSAT: Final = Figure(
    name="csat",
    formula="customers whose last CSAT score in the period is 4 or 5 / customers with one",
    source="event: feedback.submitted of kind csat",
    unit=Unit.SHARE,
    value=CsatValue,
    compute=_csat,
)
