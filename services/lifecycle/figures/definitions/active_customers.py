"""How many customers are active and passive, stay, and are lost."""

from typing import Final

from pydantic import Field

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.figures.figure import Figure, FigureValue, Unit, share
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources import phase_counts
from services.lifecycle.figures.sources.phase_counts import ActiveCohort, PhaseCount
from shared.database.connection import Tx


class ActiveValue(FigureValue):
    """How many customers there are at the end of the period."""

    value: float = Field(description="Active customers at `to`.", examples=[2])
    passive: int = Field(description="Customers who are inactive or former at `to`.", examples=[1])
    active_at_begin: int = Field(description="Active customers at `from`.", examples=[2])
    passive_at_begin: int = Field(
        description="Customers who are inactive or former at `from`.", examples=[0]
    )
    advocates_without_order: int = Field(
        description="Advocates at `to` who have not ordered; they are not active.", examples=[0]
    )
    phases: dict[Phase, int] = Field(
        description="Customers by phase at `to`.",
        examples=[{"prospect": 1, "new": 1, "at_risk": 1, "inactive": 1}],
    )


class RetentionValue(FigureValue):
    """How many active customers stay."""

    value: float | None = Field(
        description="Share of the customers active at `from` who are active at `to` too.",
        examples=[0.5],
    )
    active_at_begin: int = Field(description="Customers active at `from`.", examples=[2])
    kept: int = Field(description="Of these, customers active at `to`.", examples=[1])


class ChurnValue(FigureValue):
    """How many active customers are lost."""

    value: float | None = Field(
        description="Share of the customers active at `from` who are lost at `to`.", examples=[0.5]
    )
    active_at_begin: int = Field(description="Customers active at `from`.", examples=[2])
    lost: int = Field(description="Of these, customers inactive or former at `to`.", examples=[1])


def active_passive(begin: PhaseCount, end: PhaseCount) -> ActiveValue:
    """The figure of customers by phase at both ends of a period."""
    return ActiveValue(
        value=end.active,
        passive=end.passive,
        active_at_begin=begin.active,
        passive_at_begin=begin.passive,
        advocates_without_order=end.without_order,
        phases={phase: end.phases[phase] for phase in Phase},
    )


def retention(cohort: ActiveCohort) -> RetentionValue:
    """The figure of those who stay of a cohort."""
    return RetentionValue(
        value=share(cohort.kept, cohort.active),
        active_at_begin=cohort.active,
        kept=cohort.kept,
    )


def churn(cohort: ActiveCohort) -> ChurnValue:
    """The figure of those who are lost of a cohort."""
    return ChurnValue(
        value=share(cohort.lost, cohort.active),
        active_at_begin=cohort.active,
        lost=cohort.lost,
    )


async def _active_passive(tx: Tx, period: Period, account: Account | None) -> ActiveValue:
    begin, end = await phase_counts.phases_at_both_ends(tx, period, account)
    return active_passive(begin, end)


async def _retention(tx: Tx, period: Period, account: Account | None) -> RetentionValue:
    return retention(await phase_counts.active_cohort(tx, period, account))


async def _churn(tx: Tx, period: Period, account: Account | None) -> ChurnValue:
    return churn(await phase_counts.active_cohort(tx, period, account))


ACTIVE_PASSIVE: Final = Figure(
    name="active_passive",
    formula="customers who at `to` are new, established, at risk, won back, or advocates who have "
    "ordered",
    source="flow; customer.first_order_at of advocates",
    unit=Unit.CUSTOMERS,
    value=ActiveValue,
    compute=_active_passive,
)
RETENTION: Final = Figure(
    name="retention",
    formula="customers active at `from` and at `to` / customers active at `from`",
    source="flow; transition; customer.first_order_at of advocates",
    unit=Unit.SHARE,
    value=RetentionValue,
    compute=_retention,
)
CHURN: Final = Figure(
    name="churn",
    formula="customers active at `from` and inactive or former at `to` / customers active at "
    "`from`",
    source="flow; transition; customer.first_order_at of advocates",
    unit=Unit.SHARE,
    value=ChurnValue,
    compute=_churn,
)
