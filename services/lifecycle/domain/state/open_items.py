"""Running contracts and open complaints, as the state keeps them."""

from calendar import monthrange
from datetime import datetime

import msgspec

from services.lifecycle.domain.policy.policy import Policy
from shared.bounds import LAST_INSTANT, later


class Contract(msgspec.Struct, frozen=True, omit_defaults=True):
    """A running contract, to be renewed `months` after `anchor` for another `term` months.

    If notice was given, at `cancelled_at`, it ends at `ends_at` instead.
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
        """Return when it ends if nothing happens: as noticed, or after the grace."""
        return self.ends_at or later(self.renews_at, policy.renewal_grace)


class Complaint(msgspec.Struct, frozen=True, omit_defaults=True):
    """An open complaint; `overdue` once the time for an answer has passed."""

    opened_at: datetime
    severity: int = 2
    answered: bool = False
    overdue: bool = False
    historical: bool = False

    @property
    def waits(self) -> bool:
        """Is it unanswered, with the time for an answer still running?"""
        return not (self.answered or self.overdue)


def after_months(anchor: datetime, months: int) -> datetime:
    """Return the same day and time `months` calendar months later, in UTC.

    Where that month is too short, it is the month's last day; never beyond LAST_INSTANT.
    """
    year, month_index = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    if year > LAST_INSTANT.year:
        return LAST_INSTANT
    month = month_index + 1
    last_day = monthrange(year, month)[1]
    return anchor.replace(year=year, month=month, day=min(anchor.day, last_day))
