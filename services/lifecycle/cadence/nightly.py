"""In real time, a new fit of the cadence model every night; a failure is logged, counted, and shown until one works."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from typing import Final, NamedTuple

import structlog

from services.lifecycle.cadence.repository import FitAttempt
from shared import clock, metrics
from shared.aio import in_background, wait
from shared.errors import Retryable

log = structlog.get_logger()

_DAY: Final = timedelta(days=1)


class FitFailure(NamedTuple):
    """When the last night's fit could not be made at all, and why."""

    at: datetime
    reason: str


class NightlyFit:
    """Makes a fit every day at `hour` (UTC). The hour of a night that the process has missed does not come again."""

    def __init__(
        self,
        fit: Callable[[], Awaitable[FitAttempt]],
        hour: int,
        *,
        now: Callable[[], datetime] = clock.now,
        wait: Callable[[asyncio.Event, float], Awaitable[None]] = wait,
    ) -> None:
        self._fit = fit
        self._hour = hour
        self._now = now
        self._wait = wait
        self.failure: FitFailure | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the block runs; a fit under way at its end is dropped."""
        async with in_background(self.run(asyncio.Event())):
            yield

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        while True:
            due = next_night(self._now(), self._hour)
            while not stop.is_set() and (left := (due - self._now()).total_seconds()) > 0:
                await self._wait(stop, left)
            if stop.is_set():
                return
            await self._attempt()

    async def _attempt(self) -> None:
        try:
            await self._fit()
            self.failure = None
        except Retryable as error:
            self.failure = FitFailure(self._now(), str(error))
            metrics.FITS.labels("failed").inc()
            log.error("fit.failed", reason=str(error))


def next_night(now: datetime, hour: int) -> datetime:
    """The first instant after `now` at which it is `hour` o'clock in UTC."""
    due = datetime.combine(now.date(), time(hour), tzinfo=now.tzinfo)
    return due if due > now else due + _DAY
