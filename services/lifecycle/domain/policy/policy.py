"""The thresholds by which customers are judged."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import ClassVar, Final

from services.lifecycle.domain.policy.cadence import Fit

FIXED: Final = "fixed"
CADENCE: Final = "cadence"
AUTO: Final = "auto"
"""Models of silence: the same days for all, the rhythm of purchases, or that once a fit exists."""


def _span(of: Callable[["Policy"], timedelta]) -> cached_property[timedelta]:
    """Return a property that is computed once per policy: the fold asks for it at every event."""
    return cached_property(of)


@dataclass(frozen=True)
class Policy:
    """One version of a policy; the defaults are the built-in policy.

    Days have 24 hours, counts are of orders, and 0 switches off what may be off. `account` is the
    kind of account that the policy is for (None: all), `silence` the model of silence.

    Two fields come from the schedule and are no part of the policy: `fits` are the known fits of
    the cadence model, earliest first; `keeps_sales` says that some policy of the schedule
    watches revenue.
    """

    name: str = "default"
    version: int = 1
    account: str | None = None
    currency: str = "EUR"
    silence: str = FIXED
    at_risk_days: int = 90
    inactive_days: int = 180
    established_after_orders: int = 3
    settle_after_orders: int = 2
    former_after_inactive_days: int = 730
    prospect_days: int = 365
    advocate_days: int = 365
    complaint_overdue_hours: int = 24
    revenue_decline_share: float = 0.0
    contact_days: int = 0
    renewal_grace_days: int = 14
    act_within_days: int = 7
    active_days: int = 90
    survey_days: int = 7
    onboarding_days: int = 0
    renewal_notice_days: int = 30
    incentive_days: int = 60
    answer_hours: int = 2
    notice_days: int = 0
    horizon_days: int = 180
    risk_probability: float = 0.65
    inactive_probability: float = 0.80
    min_at_risk_days: int = 30
    discount_rate: float = 0.10
    default_margin_rate: float = 0.30
    free_orders_count: bool = True
    fits: tuple[Fit, ...] = field(default=(), compare=False)
    keeps_sales: bool = field(default=False, compare=False)

    def fit_at(self, instant: datetime) -> Fit | None:
        """Return the fit in force at an instant, whether silence is judged by it or not."""
        return next((fit for fit in reversed(self.fits) if fit.effective_at <= instant), None)

    at_risk = _span(lambda policy: timedelta(days=policy.at_risk_days))
    """Silence after which a bonded customer is at risk."""
    inactive = _span(lambda policy: timedelta(days=policy.inactive_days))
    """Silence after which a customer with an order is inactive."""
    former_after = _span(lambda policy: timedelta(days=policy.former_after_inactive_days))
    """Time in `inactive` after which the relationship has ended."""
    prospect_fades = _span(lambda policy: timedelta(days=policy.prospect_days))
    """Time without any event after which a prospect has faded."""
    advocacy = _span(lambda policy: timedelta(days=policy.advocate_days))
    """How long a referral or praise makes an advocate."""
    complaint_overdue = _span(lambda policy: timedelta(hours=policy.complaint_overdue_hours))
    """Time after which an unanswered complaint puts the customer at risk."""
    contact_fades = _span(lambda policy: timedelta(days=policy.contact_days))
    """Time without a session, page view or click after which the bond weakens."""
    renewal_grace = _span(lambda policy: timedelta(days=policy.renewal_grace_days))
    """How long after its end a contract may still be renewed."""
    act_within = _span(lambda policy: timedelta(days=policy.act_within_days))
    """What happened longer ago is history, on which nobody acts."""
    survey = _span(lambda policy: timedelta(days=policy.survey_days))
    """How long after the first order the customer is asked about it."""
    onboarding = _span(lambda policy: timedelta(days=policy.onboarding_days))
    """How long after the first order a product may lie unused."""
    renewal_notice = _span(lambda policy: timedelta(days=policy.renewal_notice_days))
    """How long before its end a renewal of a contract is due."""
    incentive = _span(lambda policy: timedelta(days=policy.incentive_days))
    """The time between two incentives of an established customer."""
    answer = _span(lambda policy: timedelta(hours=policy.answer_hours))
    """How long a complaint may wait for an answer before somebody is reminded."""
    notice = _span(lambda policy: timedelta(days=policy.notice_days))
    """How long before a transition by time it is announced."""

    @cached_property
    def shortest_silence(self) -> timedelta:
        """No deadline of silence is nearer than this to the order that it is measured from."""
        if self.silence == FIXED:
            return self.at_risk
        return min(self.at_risk, timedelta(days=self.min_at_risk_days))

    @cached_property
    def gives_notice(self) -> bool:
        """Does it announce what time will bring?"""
        return self.notice_days > 0

    @cached_property
    def quiet(self) -> "Policy":
        """The same policy without hints."""
        return replace(
            self,
            survey_days=0,
            onboarding_days=0,
            renewal_notice_days=0,
            incentive_days=0,
            answer_hours=0,
            notice_days=0,
        )

    known: ClassVar[int] = 0
    """From here on: what makes a policy alone a schedule that never changes."""

    def at(self, _: datetime, __: str | None = None) -> "Policy":
        """Return the policy in force: always this one."""
        return self

    def next_change(self, _: datetime, __: str | None = None) -> datetime | None:
        """Return when another policy comes into force: never."""
        return None

    def since(self, _: int) -> datetime | None:
        """Return the earliest instant of what has become known since: nothing has."""
        return None
