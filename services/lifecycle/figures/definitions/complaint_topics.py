"""What customers complain about more than usual: topics above their baseline of eight weeks."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final, Self

from pydantic import BaseModel, Field

from services.lifecycle.figures.figure import Figure, FigureValue, Unit
from services.lifecycle.figures.period import Account, Period, midnight
from services.lifecycle.figures.sources.account_filter import COUNTED_EVENTS, event_statements
from services.lifecycle.figures.sources.baseline import FEWEST_WEEKS, WEEKS, Judgement, judge
from shared.database.connection import Tx

WEEK: Final = timedelta(days=7)
_FIRST: Final = "SELECT time FROM event WHERE type = 'complaint.opened' ORDER BY time LIMIT 1"
_OPENED: Final = event_statements(
    f"""
WITH opened AS (
    SELECT DISTINCT ON (e.customer_key, content.data ->> 'complaint_id')
        e.time, content.data ->> 'topic' AS topic
    FROM event AS e
    CROSS JOIN LATERAL json_to_record(convert_from(e.body, 'UTF8')::json)
        AS content(source text, id text, data json)
    WHERE e.type = 'complaint.opened' AND e.time >= $1 AND e.time < $2 AND {COUNTED_EVENTS}
    ORDER BY e.customer_key, content.data ->> 'complaint_id', e.time,
        content.source COLLATE "C", content.id COLLATE "C"
)
SELECT topic,
    ((time AT TIME ZONE 'UTC')::date - ($1 AT TIME ZONE 'UTC')::date) / 7 AS week,
    count(*) AS n
FROM opened GROUP BY 1, 2
"""  # noqa: S608  (constants)
)


class Topic(BaseModel):
    """Complaints about one topic beside their baseline."""

    topic: str = Field(description="As the shop names it.", examples=["delivery"])
    complaints: int = Field(description="Complaints opened in the period.", examples=[12])
    expected: float | None = Field(
        description="Complaints expected in a period of this length by the baseline.",
        examples=[3.5],
    )
    weekly_mean: float | None = Field(
        description="Mean of the complaints a week in the baseline.", examples=[0.8]
    )
    weekly_spread: float | None = Field(
        description="Standard deviation of the complaints a week in the baseline.", examples=[0.9]
    )
    probability: float | None = Field(
        description="Probability of this many complaints or more if nothing has changed.",
        examples=[0.0002],
    )
    above: bool = Field(
        description="Whether there are more than chance and the usual ups and downs explain."
    )

    @classmethod
    def of(cls, topic: str, complaints: int, judgement: Judgement | None) -> Self:
        """The view of a judgement; without one nothing is above."""
        expected, mean, spread, probability, above = judgement or (None, None, None, None, False)
        return cls(
            topic=topic,
            complaints=complaints,
            expected=expected,
            weekly_mean=mean,
            weekly_spread=spread,
            probability=probability,
            above=above,
        )


class ComplaintValue(FigureValue):
    """What customers complain about."""

    value: float | None = Field(
        description="Topics above their baseline; null without a baseline.", examples=[1]
    )
    complaints: int = Field(
        description="Complaints opened in the period; one reported under several event ids is one.",
        examples=[17],
    )
    without_topic: int = Field(description="Of these, complaints without a topic.", examples=[2])
    baseline_weeks: int = Field(
        description="Weeks before `from` that are the baseline: 8, fewer in a young shop.",
        examples=[8],
    )
    topics: list[Topic] = Field(
        description="Every topic of the period, those above their baseline first."
    )


async def first_opened_at(tx: Tx) -> datetime | None:
    """When the first complaint of all was opened."""
    opened_at: datetime | None = await tx.fetchval(_FIRST)
    return opened_at


async def count_opened(
    tx: Tx, begin: date, end: date, account: Account | None
) -> dict[str | None, Counter[int]]:
    """Complaints opened from `begin` on and before `end`, by topic and week.

    Week 0 is the one that starts with `begin`.
    """
    by_topic: dict[str | None, Counter[int]] = {}
    for topic, week, n in await tx.fetch(_OPENED[account], midnight(begin), midnight(end), account):
        by_topic.setdefault(topic, Counter())[week] = n
    return by_topic


def baseline_weeks(first: datetime | None, begin: date) -> int:
    """How many whole weeks before `begin` can be compared with: all since the first complaint."""
    return 0 if first is None else min(max((midnight(begin) - first) // WEEK, 0), WEEKS)


def complaint_value(
    by_topic: Mapping[str | None, Counter[int]], days: int, known: int
) -> ComplaintValue:
    """The figure of complaints by topic and week in a period of so many days.

    Week WEEKS is the first one of the period, and of the weeks before it the last `known` are the
    baseline.
    """
    totals = {topic: _total(weeks) for topic, weeks in by_topic.items()}
    topics = list[Topic]()
    for topic, weeks in by_topic.items():
        if topic is not None and totals[topic]:
            judgement = judge(totals[topic], days, _baseline(weeks, known))
            topics.append(Topic.of(topic, totals[topic], judgement))
    return ComplaintValue(
        value=sum(topic.above for topic in topics) if known >= FEWEST_WEEKS else None,
        complaints=sum(totals.values()),
        without_topic=totals.get(None, 0),
        baseline_weeks=known,
        topics=sorted(topics, key=lambda topic: (not topic.above, -topic.complaints, topic.topic)),
    )


async def _complaint_topics(tx: Tx, period: Period, account: Account | None) -> ComplaintValue:
    by_topic = await count_opened(tx, period.begins - WEEKS * WEEK, period.ends, account)
    known = baseline_weeks(await first_opened_at(tx), period.begins)
    return complaint_value(by_topic, period.days, known)


def _total(weeks: Counter[int]) -> int:
    """Complaints of the period itself."""
    return sum(n for week, n in weeks.items() if week >= WEEKS)


def _baseline(weeks: Counter[int], known: int) -> list[int]:
    return [weeks[week] for week in range(WEEKS - known, WEEKS)]


COMPLAINT_TOPICS: Final = Figure(
    name="complaint_topics",
    formula="topics with more complaints opened in the period than the 8 weeks before explain: "
    "at least 5, less likely than 0.001 at an unchanged rate, and 3 standard deviations above the "
    "mean",
    source="event: complaint.opened",
    unit=Unit.TOPICS,
    value=ComplaintValue,
    compute=_complaint_topics,
)
