"""How long customers wait for the first response to a complaint or an inquiry."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Self

from pydantic import BaseModel, Field

from services.lifecycle.figures.figure import Figure, FigureValue, Unit, share
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources.account_filter import COUNTED_EVENTS, event_statements
from shared.database.connection import Tx

_WAITING: Final = event_statements(
    f"""
WITH message AS MATERIALIZED (
    SELECT e.customer_key, e.time,
        split_part(e.type, '.', 1) AS matter,
        e.type LIKE '%.opened' AS opened,
        convert_from(e.body, 'UTF8')::json -> 'data' ->> (split_part(e.type, '.', 1) || '_id') AS id
    FROM event AS e
    WHERE e.type IN (
            'complaint.opened', 'complaint.answered', 'complaint.resolved',
            'inquiry.opened', 'inquiry.answered'
        ) AND e.time >= $1 AND e.time < $2 AND {COUNTED_EVENTS}
), opening AS (
    SELECT matter, customer_key, id, min(time) AS time FROM message WHERE opened GROUP BY 1, 2, 3
), waited AS (
    SELECT a.matter, a.time AS began, min(t.time) - a.time AS lasted
    FROM opening AS a
    LEFT JOIN message AS t ON (t.matter, t.customer_key, t.id) = (a.matter, a.customer_key, a.id)
        AND NOT t.opened AND t.time >= a.time
    GROUP BY a.matter, a.customer_key, a.id, a.time
)
SELECT matter, count(*) AS opened, count(lasted) AS answered,
    count(*) FILTER (WHERE lasted <= interval '2 hours') AS in_time,
    count(*) FILTER (WHERE lasted IS NULL AND began < $2 - interval '2 hours') AS overdue,
    percentile_cont(0.5) WITHIN GROUP (
        ORDER BY (extract(epoch FROM lasted) / 3600)::float8
    ) AS median
FROM waited GROUP BY GROUPING SETS ((matter), ())
"""  # noqa: S608  (constants)
)


class WaitCounts(NamedTuple):
    """Complaints or inquiries opened, responded to, within 2 hours, overdue; the median wait."""

    opened: int = 0
    responded: int = 0
    within: int = 0
    overdue: int = 0
    median: float | None = None


class Responses(BaseModel):
    """How long customers waited for first responses."""

    median_hours: float | None = Field(
        description="Median wait of those responded to, in hours; null without any.", examples=[1.5]
    )
    share_within_2_hours: float | None = Field(
        description="Share of those responded to that had it within 2 hours.",
        examples=[0.75],
    )
    opened: int = Field(description="Opened in the period.", examples=[22])
    responded: int = Field(description="Of these, responded to before `to`.", examples=[20])
    within_2_hours: int = Field(description="Of these, responded to within 2 hours.", examples=[15])
    open: int = Field(
        description="Without a response before `to`; not counted in the median or the share.",
        examples=[2],
    )
    open_over_2_hours: int = Field(
        description="Of these, opened more than 2 hours before `to`.", examples=[1]
    )

    @classmethod
    def of(cls, waits: WaitCounts) -> Self:
        """The view of a row of the statement."""
        return cls(
            median_hours=waits.median,
            share_within_2_hours=share(waits.within, waits.responded),
            opened=waits.opened,
            responded=waits.responded,
            within_2_hours=waits.within,
            open=waits.opened - waits.responded,
            open_over_2_hours=waits.overdue,
        )


class FirstResponseValue(FigureValue):
    """How long customers wait."""

    value: float | None = Field(
        description="Median wait for the first response, in hours.", examples=[1.5]
    )
    together: Responses = Field(description="Complaints and inquiries.")
    complaints: Responses = Field(
        description="Complaints alone; an answer is a response, and so is a resolution."
    )
    inquiries: Responses = Field(description="Inquiries alone.")


async def _first_response(tx: Tx, period: Period, account: Account | None) -> FirstResponseValue:
    rows = await tx.fetch(_WAITING[account], period.since, period.until, account)
    return first_response({matter: WaitCounts(*waits) for matter, *waits in rows})


def first_response(waits: Mapping[str | None, WaitCounts]) -> FirstResponseValue:
    """The figure of waits by matter (complaint, inquiry); None stands for both together."""
    together = Responses.of(waits.get(None, WaitCounts()))
    return FirstResponseValue(
        value=together.median_hours,
        together=together,
        complaints=Responses.of(waits.get("complaint", WaitCounts())),
        inquiries=Responses.of(waits.get("inquiry", WaitCounts())),
    )


FIRST_RESPONSE: Final = Figure(
    name="first_response",
    formula="median of the time from the opening of a complaint or inquiry in the period to its "
    "first response before `to`",
    source="event: complaint.opened, complaint.answered, complaint.resolved, inquiry.opened, "
    "inquiry.answered",
    unit=Unit.HOURS,
    value=FirstResponseValue,
    compute=_first_response,
)
