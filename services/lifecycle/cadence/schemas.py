"""What the API of the cadence model shows."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

import msgspec
from pydantic import BaseModel, Field

from services.lifecycle.cadence import estimation
from services.lifecycle.cadence.backtest import BacktestResult
from services.lifecycle.cadence.repository import FitAttempt
from shared.http import Instant, Page


class ParametersView(BaseModel):
    """The parameters of MBG/NBD (time in weeks) and Gamma-Gamma (money in minor units)."""

    r: float = Field(description="Shape of the purchase rates, without a unit.", examples=[0.525])
    alpha: float = Field(description="Scale of the purchase rates, in weeks.", examples=[6.183])
    a: float = Field(
        description="After each purchase, including the first, a share of a/(a+b) of the customers "
        "drop out. Without a unit.",
        examples=[0.891],
    )
    b: float = Field(description="See a. Without a unit.", examples=[1.614])
    p: float | None = Field(
        description="Shape of the values of one customer's orders, without a unit; null: no values "
        "are known.",
        examples=[6.25],
    )
    q: float | None = Field(
        description="Shape of the differences between customers' values, without a unit; null "
        "likewise.",
        examples=[3.74],
    )
    gamma: float | None = Field(
        description="Scale of the values, in minor units of `currency`; null likewise.",
        examples=[1545.0],
    )
    currency: str | None = Field(
        description="ISO 4217: the currency of the policy in force when the fit was made; null "
        "likewise.",
        examples=["EUR"],
    )
    log_likelihood: float | None = Field(
        description="Log-likelihood of the purchase histories, without a unit; greater is better "
        "on the same orders.",
        examples=[-9582.4],
    )
    no_values: str | None = Field(
        description="Why there are no parameters for values; null where there are.",
        examples=["fewer than 100 customers with values"],
    )


class FitView(BaseModel):
    """One fit: accepted with its parameters, or refused with the reason."""

    version: int = Field(
        description="The number of the fit; fits and activations of policies share one count.",
        examples=[2],
    )
    accepted: bool = Field(description="Whether it is in force until the next accepted one.")
    reason: str | None = Field(
        description="Why it was refused; null if it was not.",
        examples=["fewer than 500 customers with an order"],
    )
    effective_at: Instant = Field(description="It judges purchases from here on.")
    made_at: Instant = Field(description="The clock; later orders were left out.")
    customers: int = Field(
        description="Number of customers that it was made from.", examples=[23570]
    )
    repeats: int = Field(
        description="Number of their repeat purchases; several orders on one UTC day count once.",
        examples=[40714],
    )
    parameters: ParametersView | None = Field(
        description="The parameters that were found; null: it was refused."
    )

    @classmethod
    def of(cls, attempt: FitAttempt) -> Self:
        """The view of an attempt."""
        estimate = attempt.estimate
        parameters = None
        if estimate is not None:
            parameters = ParametersView.model_validate(msgspec.structs.asdict(estimate))
        return cls(
            version=attempt.number,
            accepted=estimate is not None,
            reason=attempt.reason,
            effective_at=attempt.effective_at,
            made_at=attempt.made_at,
            customers=attempt.customers,
            repeats=attempt.repeats,
            parameters=parameters,
        )


class Guards(BaseModel):
    """What a fit needs in order not to be refused."""

    customers: int = Field(
        default=estimation.LEAST_CUSTOMERS, description="At least this number of customers."
    )
    repeats: int = Field(
        default=estimation.LEAST_REPEATS, description="At least this number of repeat purchases."
    )
    drop_out: float = Field(
        default=estimation.LEAST_DROP_OUT,
        description="At least this value of a/(a+b), a share; the fit must also converge.",
    )


class FailureView(BaseModel):
    """A nightly fit that could not be made at all."""

    at: Instant = Field(description="When it was due, by the wall clock.")
    reason: str = Field(description="What went wrong.", examples=["the database did not answer"])


class CadenceView(BaseModel):
    """The state of the cadence model. A refused fit leaves the last accepted one in force."""

    silence: str = Field(
        description="The model of the policy in force: fixed, cadence or auto.", examples=["auto"]
    )
    in_force: FitView | None = Field(
        description="The fit that judges purchases now; null: fixed days do."
    )
    last: FitView | None = Field(
        description="The last fit, accepted or refused; null: none was made."
    )
    guards: Guards = Field(
        default_factory=Guards, description="What the next fit needs in order not to be refused."
    )
    failure: FailureView | None = Field(
        description="The failure of the last nightly fit of this process; null: it has not failed."
    )
    as_of: Instant = Field(description="The clock when this answer was true.")


class FitPage(Page[FitView]):
    """Some of all fits, the newest first."""

    as_of: Instant = Field(description="The clock when this answer was true.")


class ScoreView(BaseModel):
    """What one model of silence makes of the purchases."""

    customers_warned: int = Field(
        description="Number of customers with a purchase whose D1 passed before the next one.",
        examples=[812],
    )
    mean_lead_days: float | None = Field(
        description="Mean over the lost of max(0, horizon - D1), in days; null: nobody is lost.",
        examples=[88.4],
    )
    false_alarms: int = Field(
        description="Number of returning purchases whose D1 passed before the return.",
        examples=[97],
    )
    false_alarm_share: float | None = Field(
        description="Their share (0 to 1) of all that returned within the horizon; null: none did.",
        examples=[0.101],
    )


class ComparisonView(BaseModel):
    """Fixed days and cadence on the same purchases; contracts and other causes are left aside."""

    since: Instant = Field(
        description="Purchases from here on are compared.", examples=["2023-05-01T12:00:00Z"]
    )
    as_of: Instant = Field(description="The clock when this answer was true.")
    horizon_days: int = Field(
        description="The horizon of the policy in force, in days.", examples=[180]
    )
    purchases: int = Field(
        description="Number of purchases from `since` on; several orders on one UTC day count "
        "once.",
        examples=[2410],
    )
    lost: int = Field(
        description="Number of those that were the customer's last, at least the horizon ago.",
        examples=[1033],
    )
    returning: int = Field(
        description="Number of those that were followed by another one within the horizon.",
        examples=[961],
    )
    fixed: ScoreView = Field(description="By `at_risk_days` of the policy in force.")
    cadence: ScoreView = Field(
        description="By the rhythm of each customer, and the fit in force at the purchase."
    )
    matched: ScoreView = Field(
        description="By `matched_days` for everybody: the fewest that give no more false alarms."
    )
    matched_days: int = Field(description="The days that `matched` goes by.", examples=[112])

    @classmethod
    def of(
        cls, result: BacktestResult, *, since: datetime, as_of: datetime, horizon_days: int
    ) -> Self:
        """The view of a result."""
        scores: dict[str, Any] = asdict(result)
        return cls(since=since, as_of=as_of, horizon_days=horizon_days, **scores)
