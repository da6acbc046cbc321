"""The thresholds by which customers are judged."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import ClassVar, Final

from services.lifecycle.domain.policy.cadence import Fit

FIXED: Final = "fixed"
CADENCE: Final = "cadence"
AUTO: Final = "auto"
"""Models of silence: the same days for all; by the rhythm of purchases; the latter as soon as there is a fit."""

LAST_INSTANT: Final = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
"""The last instant that events may have; deadlines lie no later."""


@dataclass(frozen=True)
class Policy:
    """One version of a policy. Days are 24 hours; counts are orders; 0 switches off what may be off.

    The defaults are the built-in policy. `account` is the kind of customer it is for, None for all; `silence` the
    model of silence. `fits` are those of the cadence model that are known, the earliest first; with `keeps_sales` some
    policy, though perhaps not this one, watches revenue: neither is part of the policy.
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
    onboarding_days: int = 14
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
    fits: tuple[Fit, ...] = field(default=(), compare=False)
    keeps_sales: bool = field(default=False, compare=False)

    def fit_at(self, instant: datetime) -> Fit | None:
        """The fit of the cadence model in force at an instant, whether silence is judged by it or not."""
        return next((fit for fit in reversed(self.fits) if fit.effective_at <= instant), None)

    @cached_property
    def shortest_silence(self) -> timedelta:
        """No deadline of silence lies nearer to the order that it is measured from."""
        return (
            self.at_risk
            if self.silence == FIXED
            else min(self.at_risk, timedelta(days=self.min_at_risk_days))
        )

    @cached_property
    def at_risk(self) -> timedelta:
        """Silence after which a bonded customer is at risk."""
        return timedelta(days=self.at_risk_days)

    @cached_property
    def inactive(self) -> timedelta:
        """Silence after which a customer with an order is inactive."""
        return timedelta(days=self.inactive_days)

    @cached_property
    def former_after(self) -> timedelta:
        """Time in `inactive` after which the relationship has ended."""
        return timedelta(days=self.former_after_inactive_days)

    @cached_property
    def prospect_fades(self) -> timedelta:
        """Time without any event after which a prospect has faded."""
        return timedelta(days=self.prospect_days)

    @cached_property
    def advocacy(self) -> timedelta:
        """How long a recommendation or praise makes an advocate."""
        return timedelta(days=self.advocate_days)

    @cached_property
    def complaint_overdue(self) -> timedelta:
        """Time after which an unanswered complaint puts at risk."""
        return timedelta(hours=self.complaint_overdue_hours)

    @cached_property
    def contact_fades(self) -> timedelta:
        """Time without a session, click or page after which the bond weakens."""
        return timedelta(days=self.contact_days)

    @cached_property
    def renewal_grace(self) -> timedelta:
        """How long a contract may be renewed after its end."""
        return timedelta(days=self.renewal_grace_days)

    @cached_property
    def act_within(self) -> timedelta:
        """What happened longer ago is history: nobody acts on it."""
        return timedelta(days=self.act_within_days)

    @cached_property
    def survey(self) -> timedelta:
        """How long after the first order the customer is asked about it."""
        return timedelta(days=self.survey_days)

    @cached_property
    def onboarding(self) -> timedelta:
        """How long after the first order a product may lie unused."""
        return timedelta(days=self.onboarding_days)

    @cached_property
    def renewal_notice(self) -> timedelta:
        """How long before its end a contract is talked about."""
        return timedelta(days=self.renewal_notice_days)

    @cached_property
    def incentive(self) -> timedelta:
        """The time between two incentives of an established customer."""
        return timedelta(days=self.incentive_days)

    @cached_property
    def answer(self) -> timedelta:
        """How long a complaint may wait for an answer before somebody is reminded."""
        return timedelta(hours=self.answer_hours)

    @cached_property
    def gives_notice(self) -> bool:
        """Does it announce what time will bring?"""
        return self.notice_days > 0

    @cached_property
    def notice(self) -> timedelta:
        """How long before a time-driven transition it is announced."""
        return timedelta(days=self.notice_days)

    @cached_property
    def quiet(self) -> "Policy":
        """The same without hints."""
        return replace(
            self,
            survey_days=0,
            onboarding_days=0,
            renewal_notice_days=0,
            incentive_days=0,
            answer_hours=0,
            notice_days=0,
        )

    # -- a policy alone is a schedule that never changes ---------------------------------------------------------------

    known: ClassVar[int] = 0

    def at(self, _: datetime, __: str | None = None) -> "Policy":
        """The policy in force."""
        return self

    def next_change(self, _: datetime, __: str | None = None) -> datetime | None:
        """When another comes into force."""
        return None

    def since(self, _: int) -> datetime | None:
        """The earliest instant of what has become known since."""
        return None


def later(anchor: datetime, span: timedelta) -> datetime:
    """`anchor + span`, but never beyond the last instant that can be written."""
    try:
        instant = anchor + span
    except OverflowError:
        return LAST_INSTANT
    return instant if instant < LAST_INSTANT else LAST_INSTANT  # noqa: FURB136  (min takes five times as long)
