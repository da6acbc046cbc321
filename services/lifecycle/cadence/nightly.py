"""Makes a fit of the cadence model every night, in real time; shows a failure until one works."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from typing import Final, NamedTuple

import structlog

from services.lifecycle.cadence.repository import FitAttempt
from shared import clock, metrics
from shared.background import Periodic
from shared.error_texts import describe

log = structlog.get_logger()

FIRST_RETRY_S: Final = 60.0
LONGEST_RETRY_S: Final = 3600.0
_DAY: Final = timedelta(days=1)


class FitFailure(NamedTuple):
    """The latest night whose fit could not be made at all, and why."""

    at: datetime
    reason: str


class NightlyFit:
    """Makes a fit every day at `hour` (UTC).

    A fit that fails is tried again until one works. A night that the process has missed does not
    come again.
    """

    def __init__(
        self,
        fit: Callable[[], Awaitable[FitAttempt]],
        hour: int,
        *,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self.failure: FitFailure | None = None
        self._fit: Final = fit
        self._hour: Final = hour
        self._now: Final = now
        self._due = next_night(now(), hour)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make the fits while the block runs; a fit under way at its end is dropped."""
        work = Periodic(
            "nightly_fit",
            self.fit_if_due,
            pause=self.pause,
            at_once=False,
            first_retry_s=FIRST_RETRY_S,
            longest_retry_s=LONGEST_RETRY_S,
        )
        async with work.running():
            yield

    def pause(self) -> float:
        """The seconds until the next fit is due."""
        return max(0.0, (self._due - self._now()).total_seconds())

    async def fit_if_due(self) -> None:
        """Make the fit of this night; a failure is noted, and raised."""
        if self._now() < self._due:  # the wall clock was set back while the process slept
            return
        try:
            await self._fit()
        except Exception as error:
            self._note_failure(describe(error))
            raise
        self.failure = None
        self._due = next_night(self._now(), self._hour)

    def _note_failure(self, reason: str) -> None:
        latest = next_night(self._now(), self._hour) - _DAY
        self.failure = FitFailure(max(self._due, latest), reason)
        metrics.FITS.labels("failed").inc()
        log.error("fit.failed", reason=reason)


def next_night(now: datetime, hour: int) -> datetime:
    """The first instant after `now` at which it is `hour` o'clock in UTC."""
    due = datetime.combine(now.date(), time(hour), tzinfo=now.tzinfo)
    return due if due > now else due + _DAY
