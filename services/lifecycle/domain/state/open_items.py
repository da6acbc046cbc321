"""Contracts and complaints as the state keeps them while they run."""

from calendar import monthrange
from datetime import datetime

import msgspec

from services.lifecycle.domain.policy.policy import LAST_INSTANT, Policy, later


class Contract(msgspec.Struct, frozen=True, omit_defaults=True):
    """A running contract: `months` after `anchor` it is to be renewed, for another `term` months.

    After notice was given (`cancelled_at`) it ends at `ends_at` instead.
    """

    anchor: datetime
    months: int
    term: int
    cancelled_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def renews_at(self) -> datetime:
        """When the present term ends."""
        return after_months(self.anchor, self.months)

    def end(self, policy: Policy) -> datetime:
        """When it no longer runs, if nothing happens: the end given notice of, or the end of the grace."""
        return self.ends_at or later(self.renews_at, policy.renewal_grace)


class Complaint(msgspec.Struct, frozen=True, omit_defaults=True):
    """An open complaint; `overdue` once the time for an answer has passed."""

    opened_at: datetime
    severity: int = 2
    answered: bool = False
    overdue: bool = False
    historical: bool = False


def after_months(anchor: datetime, months: int) -> datetime:
    """The same day and time `months` calendar months later in UTC, or the month's last day if it is shorter."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    if year > LAST_INSTANT.year:
        return LAST_INSTANT
    return anchor.replace(
        year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1])
    )
