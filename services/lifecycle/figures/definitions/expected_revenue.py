"""What the active customers are expected to buy within a year, by the cadence model."""

import asyncio
from collections.abc import Sequence
from functools import cache
from math import fsum
from typing import Final, NamedTuple

from pydantic import Field

from services.lifecycle.domain.policy import cadence
from services.lifecycle.domain.policy.cadence import MONTH, WEEK, Fit
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.domain.state.customer import EARLIEST
from services.lifecycle.figures.figure import Figure, MoneyValue, Unit
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources.account_filter import event_statements
from services.lifecycle.figures.sources.orders import KEPT, MORE_MEMORY
from services.lifecycle.figures.sources.phase_counts import ACTIVE
from services.lifecycle.schedule import load_schedule
from shared.database.connection import Tx

PATIENCE_S: Final = 120.0
"""All orders of active customers are read."""
RHYTHMS: Final = event_statements(
    f"""
WITH moved AS MATERIALIZED (
    SELECT DISTINCT ON (customer) customer, from_phase AS phase FROM transition
    WHERE withdrawn IS NULL AND occurred_at >= $2 ORDER BY customer, position
),
active AS (
    SELECT key AS customer_key FROM customer AS c
    WHERE phase = ANY($4::text[])
        AND NOT EXISTS (SELECT FROM moved AS m WHERE m.customer = c.customer)
    UNION ALL
    SELECT c.key FROM moved AS m JOIN customer AS c USING (customer) WHERE m.phase = ANY($4::text[])
),
{KEPT},
dated AS (SELECT *, (time AT TIME ZONE 'UTC')::date AS day FROM kept),
life AS (
    SELECT customer_key,
        count(DISTINCT day) - 1 AS x,
        min(day) AS first,
        max(day) AS last,
        sum(orders) AS orders,
        sum(amount) FILTER (WHERE currency = $5)::float8 AS revenue
    FROM dated WHERE customer_key IN (SELECT customer_key FROM active) GROUP BY 1
)
SELECT x::int,
    last - first AS tx,
    ($2 AT TIME ZONE 'UTC')::date - first AS age,
    count(*) AS customers,
    count(*) FILTER (WHERE revenue > 0) AS valued,
    coalesce(sum(revenue / orders) FILTER (WHERE revenue > 0), 0) AS means
FROM life WHERE orders > 0 GROUP BY 1, 2, 3
"""  # noqa: S608  (constants)
)


class ExpectedValue(MoneyValue):
    """What the active customers are expected to buy."""

    value: float | None = Field(
        None,
        description="Revenue expected in 12 months from `to` on, in whole minor units.",
        examples=[1254300.0],
    )
    currency: str | None = Field(
        None,
        description="ISO 4217 code of the fit's currency; null where there is no value.",
        examples=["EUR"],
    )
    reason: str | None = Field(
        None,
        description="Why there is no value; null if there is one.",
        examples=["no fit was in force"],
    )
    orders: float | None = Field(
        None, description="Orders expected in the same time.", examples=[310.5]
    )
    customers: int | None = Field(
        None, description="Customers active at `to` with an order that stands.", examples=[405]
    )
    without_value: int | None = Field(
        None,
        description="Of these, customers without revenue in that currency; they add none.",
        examples=[0],
    )
    fit: int | None = Field(
        None, description="Number of the fit of the cadence model in force at `to`.", examples=[2]
    )


class RhythmGroup(NamedTuple):
    """Customers who share one rhythm: `x` repeat purchases, `tx` and `age` in days.

    `means` sums their mean order values, in minor units, over the `valued` ones: those with revenue
    in the currency of the fit.
    """

    x: int
    tx: int
    age: int
    customers: int
    valued: int
    means: float


def expected(fit: Fit, rhythms: Sequence[RhythmGroup]) -> tuple[float, float]:
    """Orders, and revenue in minor units, expected within 12 months from all these customers.

    The expected value is linear in the mean value, so that customers with one rhythm need one
    evaluation. What a living customer will order does not depend on when the last order was.
    """

    @cache
    def living(x: int, age: int) -> float:
        recent = fit, x, age / WEEK, age / WEEK
        return cadence.expected_orders(*recent, 12 * MONTH) / cadence.p_alive(*recent)

    orders = list[float]()
    revenue = list[float]()
    for x, tx, age, customers, valued, means in rhythms:
        each = cadence.p_alive(fit, x, tx / WEEK, age / WEEK) * living(x, age)
        orders.append(each * customers)
        value = cadence.expected_value(fit, x, means / valued) if valued else None
        if value is not None:
            revenue.append(each * value * valued)
    return fsum(orders), fsum(revenue)


def in_force(schedule: Schedule, period: Period) -> Fit | None:
    """The fit in force just before the end of a period: no later one can take its place."""
    return next((fit for fit in reversed(schedule.fits) if fit.effective_at < period.until), None)


async def _expected_revenue(tx: Tx, period: Period, account: Account | None) -> ExpectedValue:
    fit = in_force(await load_schedule(tx), period)
    if fit is None:
        return ExpectedValue(reason="no fit of the cadence model was in force")
    await tx.execute(MORE_MEMORY)
    parameters = EARLIEST, period.until, account, ACTIVE, fit.currency or ""
    rhythms = [
        RhythmGroup(*row)
        for row in await tx.fetch(RHYTHMS[account], *parameters, timeout=PATIENCE_S)
    ]
    orders, revenue = await asyncio.to_thread(expected, fit, rhythms)
    expectation = ExpectedValue(
        orders=orders,
        customers=sum(rhythm.customers for rhythm in rhythms),
        without_value=sum(rhythm.customers - rhythm.valued for rhythm in rhythms),
        fit=fit.version,
    )
    if fit.p is None:
        return expectation.model_copy(update={"reason": "the fit in force knows no values"})
    return expectation.model_copy(update={"value": round(revenue), "currency": fit.currency})


EXPECTED_REVENUE: Final = Figure(
    name="expected_revenue",
    formula="sum over customers active at `to` of the orders expected in 12 months x their "
    "expected value, by the fit of the cadence model in force at `to`",
    source="event: order.completed; order_version; transition; fit",
    unit=Unit.MONEY,
    value=ExpectedValue,
    compute=_expected_revenue,
)
