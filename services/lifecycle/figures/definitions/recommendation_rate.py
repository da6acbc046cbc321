"""How many customers recommend the shop with success."""

from typing import Final

from pydantic import Field

from services.lifecycle.figures.figure import Figure, FigureValue, Unit, share
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources import phase_counts
from shared.database.connection import Tx

_RECOMMENDERS: Final = """
WITH notice AS (
    SELECT customer_key, time, type, body ->> 'subject' AS customer,
        coalesce(
            body #>> '{data,claim_id}',
            concat_ws(' ', body #>> '{data,referee}', body #>> '{data,order_id}')
        ) AS claim
    FROM (
        SELECT customer_key, time, type, convert_from(body, 'UTF8')::jsonb AS body FROM event
        WHERE type IN ('referral.succeeded', 'referral.annulled') AND time >= $1 AND time < $2
    ) AS read
)
SELECT count(DISTINCT customer) AS customers, count(*) AS referrals
FROM (
    SELECT c.customer FROM notice
    JOIN customer AS c ON c.key = notice.customer_key AND c.customer = notice.customer
    WHERE c.merged_into IS NULL AND ($3::text IS NULL OR c.account = $3)
    GROUP BY c.customer, claim
    HAVING max(time) FILTER (WHERE type = 'referral.succeeded')
        > coalesce(max(time) FILTER (WHERE type = 'referral.annulled'), '-infinity')
) AS referral
"""


class RecommendationValue(FigureValue):
    """How many customers recommend the shop with success."""

    value: float | None = Field(
        description="Recommending customers by active customers; may exceed 1.", examples=[0.1]
    )
    recommending: int = Field(
        description="Customers with a referral that succeeded and was not annulled before `to`.",
        examples=[1],
    )
    referrals: int = Field(description="Number of these referrals.", examples=[2])
    active: int = Field(description="Customers active at `to`.", examples=[10])


async def _recommendation_rate(
    tx: Tx, period: Period, account: Account | None
) -> RecommendationValue:
    row = await tx.fetchrow(_RECOMMENDERS, period.since, period.until, account)
    assert row is not None  # noqa: S101  (an aggregate)
    _, end = await phase_counts.phases_at_both_ends(tx, period, account)
    return RecommendationValue(
        value=share(row["customers"], end.active),
        recommending=row["customers"],
        referrals=row["referrals"],
        active=end.active,
    )


RECOMMENDATION_RATE: Final = Figure(
    name="recommendation_rate",
    formula="customers with a referral that succeeded in the period / customers active at `to`",
    source="event: referral.succeeded, referral.annulled; flow; customer.first_order_at of "
    "advocates",
    unit=Unit.SHARE,
    value=RecommendationValue,
    compute=_recommendation_rate,
)
