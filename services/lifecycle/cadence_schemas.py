"""What the API of the cadence model shows."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

import msgspec
from pydantic import BaseModel, Field

from services.lifecycle import fitting
from services.lifecycle.domain.alarms import Comparison
from services.lifecycle.rhythms import Attempt
from shared.http import Instant, Page


class ParametersView(BaseModel):
    """The parameters of MBG/NBD (time in weeks) and, where there are values, of Gamma-Gamma (money in minor units)."""

    r: float = Field(description="Shape of the purchase rates.")
    alpha: float = Field(description="Scale of the purchase rates, in weeks.")
    a: float = Field(description="With b: after each purchase, the first included, a/(a+b) of customers drop out.")
    b: float
    p: float | None = Field(description="Shape of the values of one customer's orders; null: no values are known.")
    q: float | None = Field(description="Shape of the differences between customers' values.")
    gamma: float | None = Field(description="Scale of the values, in minor units of `currency`.")
    currency: str | None = Field(description="ISO 4217; that of the policy in force when the fit was made.")
    log_likelihood: float | None = Field(description="Of the rhythms; greater is better on the same orders.")
    no_values: str | None = Field(description="Why there are no values; null where there are.")


class FitView(BaseModel):
    """One fit: accepted with its parameters, or refused with the reason."""

    version: int = Field(description="One more for every activation of a policy and every fit.")
    accepted: bool
    reason: str | None = Field(description="Why it was refused; null if it was not.")
    effective_at: Instant = Field(description="Purchases from here on are judged by it.")
    made_at: Instant = Field(description="The clock until which orders were taken.")
    customers: int = Field(description="Customers that it was made from.")
    repeats: int = Field(description="Their repeat purchases; several orders on one UTC day count once.")
    parameters: ParametersView | None

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """The view of a row."""
        told = attempt._asdict()
        estimate, version = told.pop("estimate"), told.pop("number")
        parameters = ParametersView.model_validate(msgspec.structs.asdict(estimate)) if estimate else None
        return cls(version=version, accepted=estimate is not None, parameters=parameters, **told)


class Guards(BaseModel):
    """What a fit needs in order not to be refused."""

    customers: int = Field(default=fitting.LEAST_CUSTOMERS, description="Customers at least.")
    repeats: int = Field(default=fitting.LEAST_REPEATS, description="Repeat purchases at least.")
    drop_out: float = Field(default=fitting.LEAST_DROP_OUT, description="a/(a+b) at least; and it must converge.")


class FailureView(BaseModel):
    """A night's fit that could not be made at all."""

    at: Instant
    reason: str


class CadenceView(BaseModel):
    """Where the cadence model stands. A refused fit changes nothing: the last accepted one stays in force."""

    silence: str = Field(description="The model of the policy in force: fixed, cadence or auto.")
    in_force: FitView | None = Field(description="The fit by which purchases are judged now; null: fixed days.")
    last: FitView | None = Field(description="The last fit, accepted or refused.")
    guards: Guards = Guards()
    failure: FailureView | None = Field(description="Of the last night, as far as this process knows.")
    as_of: Instant = Field(description="The clock that this answer was true at.")


class FitPage(Page[FitView]):
    """A part of all fits, the newest first."""

    as_of: Instant = Field(description="The clock that this answer was true at.")


class ScoreView(BaseModel):
    """What one model of silence makes of the purchases."""

    customers_warned: int = Field(description="Customers of whom a D1 passed before their next purchase.")
    mean_lead_days: float | None = Field(description="Mean over the lost of max(0, horizon - D1), in days.")
    false_alarms: int = Field(description="Returning purchases of which D1 passed before the return.")
    false_alarm_share: float | None = Field(description="Of all that returned within the horizon.")


class ComparisonView(BaseModel):
    """Fixed days and cadence side by side, on the same purchases; contracts and other causes left aside."""

    since: Instant
    as_of: Instant = Field(description="The clock that this answer was true at.")
    horizon_days: int = Field(description="Of the policy in force.")
    purchases: int = Field(description="From `since` on; several orders on one UTC day count once.")
    lost: int = Field(description="The customer's last purchase, at least the horizon ago.")
    returning: int = Field(description="Followed by another one within the horizon.")
    fixed: ScoreView = Field(description="By `at_risk_days` of the policy in force.")
    cadence: ScoreView = Field(description="By the rhythm of each customer, the fit in force at the purchase.")
    matched: ScoreView = Field(description="By `matched_days` for everybody: the fewest with no more false alarms.")
    matched_days: int

    @classmethod
    def of(cls, found: Comparison, *, since: datetime, as_of: datetime, horizon_days: int) -> Self:
        """The view of a comparison."""
        told: dict[str, Any] = asdict(found)
        return cls(since=since, as_of=as_of, horizon_days=horizon_days, **told)
