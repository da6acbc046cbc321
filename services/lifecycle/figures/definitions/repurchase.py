"""Who buys again within a period, and how much of the revenue the best buyers bring."""

from decimal import Decimal
from typing import Final, NamedTuple

from pydantic import BaseModel, Field

from services.lifecycle.figures.figure import Figure, FigureValue, Unit, share
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources.account_filter import event_statements
from services.lifecycle.figures.sources.orders import KEPT, MORE_MEMORY
from shared.database.connection import Tx

_BUYERS: Final = event_statements(
    f"""
WITH {KEPT},
buyer AS (SELECT customer_key, sum(orders) AS orders FROM kept GROUP BY 1 HAVING sum(orders) >= 1)
SELECT count(*) AS buyers,
    count(*) FILTER (WHERE orders >= 2) AS again,
    coalesce(sum(orders), 0)::bigint AS orders
FROM buyer
"""  # noqa: S608  (constants)
)
_REVENUES: Final = event_statements(
    f"""
WITH {KEPT},
buyer AS (
    SELECT currency, customer_key, sum(amount) AS revenue
    FROM kept GROUP BY 1, 2 HAVING sum(orders) >= 1
),
ranked AS (
    SELECT currency, revenue,
        row_number() OVER (PARTITION BY currency ORDER BY revenue DESC) AS rank,
        count(*) OVER (PARTITION BY currency) AS buyers
    FROM buyer
)
SELECT currency, buyers, sum(revenue) AS revenue,
    count(*) FILTER (WHERE rank <= (buyers + 4) / 5) AS best,
    sum(revenue) FILTER (WHERE rank <= (buyers + 4) / 5) AS best_revenue
FROM ranked GROUP BY 1, 2 ORDER BY 2 DESC, 1
"""  # noqa: S608  (constants)
)


class RepurchaseValue(FigureValue):
    """How many buyers buy again."""

    value: float | None = Field(
        description="Share of the buyers who have ordered at least twice.", examples=[0.41]
    )
    buyers: int = Field(
        description="Customers with an order in the period that stands at `to`.", examples=[204]
    )
    repeat_buyers: int = Field(
        description="Of these, customers with at least two such orders.", examples=[84]
    )
    orders: int = Field(description="Number of these orders.", examples=[331])


class BestBuyers(BaseModel):
    """The best buyers in one currency."""

    currency: str = Field(description="ISO 4217 code.", examples=["EUR"])
    share: float | None = Field(
        description="The best buyers' share of the revenue; null if there is no revenue.",
        examples=[0.58],
    )
    buyers: int = Field(
        description="Customers with an order in this currency that stands at `to`.", examples=[204]
    )
    best_buyers: int = Field(
        description="A fifth of these, rounded up: those with the highest revenue.", examples=[41]
    )
    revenue: int = Field(
        description="Revenue of all buyers, in minor units, less what was undone before `to`.",
        examples=[1843000],
    )
    best_revenue: int = Field(
        description="Revenue of the best buyers, in minor units.", examples=[1069000]
    )


class BestShareValue(FigureValue):
    """How much of the revenue the best fifth of the buyers brings."""

    value: float | None = Field(
        description="The share in the currency with the most buyers.", examples=[0.58]
    )
    currencies: list[BestBuyers] = Field(
        description="Each currency, the one with the most buyers first."
    )


class CurrencyRevenue(NamedTuple):
    """Revenue in one currency: of all buyers, and of the best fifth."""

    currency: str
    buyers: int
    revenue: Decimal
    best: int
    best_revenue: Decimal

    def view(self) -> BestBuyers:
        """What the API shows of it."""
        revenue = int(self.revenue)
        best = int(self.best_revenue)
        return BestBuyers(
            currency=self.currency,
            share=share(best, revenue),
            buyers=self.buyers,
            best_buyers=self.best,
            revenue=revenue,
            best_revenue=best,
        )


def best_share(currencies: list[BestBuyers]) -> BestShareValue:
    """The figure of the best buyers in each currency, the one with the most buyers first."""
    return BestShareValue(value=currencies[0].share if currencies else None, currencies=currencies)


async def _repurchase(tx: Tx, period: Period, account: Account | None) -> RepurchaseValue:
    await tx.execute(MORE_MEMORY)
    row = await tx.fetchrow(_BUYERS[account], period.since, period.until, account)
    assert row is not None  # noqa: S101  (an aggregate)
    return RepurchaseValue(
        value=share(row["again"], row["buyers"]),
        buyers=row["buyers"],
        repeat_buyers=row["again"],
        orders=row["orders"],
    )


async def _best_share(tx: Tx, period: Period, account: Account | None) -> BestShareValue:
    await tx.execute(MORE_MEMORY)
    rows = await tx.fetch(_REVENUES[account], period.since, period.until, account)
    return best_share([CurrencyRevenue(*row).view() for row in rows])


REPURCHASE: Final = Figure(
    name="repurchase",
    formula="customers with at least two orders in the period that stand at `to` / customers with "
    "one",
    source="event: order.completed; order_version",
    unit=Unit.SHARE,
    value=RepurchaseValue,
    compute=_repurchase,
)
BEST_20_SHARE: Final = Figure(
    name="best_20_share",
    formula="revenue in the period, less what was undone before `to`, of the fifth of the buyers "
    "with the highest revenue / revenue of all buyers, by currency",
    source="event: order.completed; order_version",
    unit=Unit.SHARE,
    value=BestShareValue,
    compute=_best_share,
)
