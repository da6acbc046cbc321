"""The nightly fit, by a clock that the test sets."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.lifecycle.cadence.nightly import NightlyFit, next_night
from services.lifecycle.cadence.repository import FitAttempt
from shared.errors import Retryable

EVENING = datetime(2024, 2, 28, 21, 30, tzinfo=UTC)


class Clock:
    """Time passes only where somebody waits; in the end the process stops."""

    def __init__(self, until: datetime) -> None:
        self.now = EVENING
        self._until = until

    async def wait(self, stop: asyncio.Event, seconds: float) -> None:
        self.now = min(self.now + timedelta(seconds=seconds), self._until)
        if self.now >= self._until:
            stop.set()


async def nights_until(until: datetime, fit: Callable[[datetime], Awaitable[None]]) -> NightlyFit:
    """What the nights of a process have been."""
    clock = Clock(until)

    async def attempt() -> FitAttempt:
        await fit(clock.now)
        return FitAttempt(1, clock.now, clock.now, "too few", 0, 0, None)

    nights = NightlyFit(attempt, 3, now=lambda: clock.now, wait=clock.wait)
    await nights.run(asyncio.Event())
    return nights


async def test_a_fit_is_made_every_night_at_its_hour() -> None:
    made = list[datetime]()

    async def fit(now: datetime) -> None:
        made.append(now)

    nights = await nights_until(datetime(2024, 3, 2, 2, tzinfo=UTC), fit)
    assert made == [datetime(2024, 2, 29, 3, tzinfo=UTC), datetime(2024, 3, 1, 3, tzinfo=UTC)]
    assert nights.failure is None


async def test_a_night_that_fails_is_shown_until_one_succeeds() -> None:
    async def fit(now: datetime) -> None:
        if now.day == 29:
            raise Retryable("the database is away")

    nights = await nights_until(datetime(2024, 2, 29, 20, tzinfo=UTC), fit)
    assert nights.failure == (datetime(2024, 2, 29, 3, tzinfo=UTC), "the database is away")
    nights = await nights_until(datetime(2024, 3, 1, 20, tzinfo=UTC), fit)
    assert nights.failure is None


@pytest.mark.parametrize(("hour", "day"), [(21, 29), (22, 28), (0, 29)])
def test_the_next_night_lies_ahead(hour: int, day: int) -> None:
    assert next_night(EVENING, hour) == datetime(2024, 2, day, hour, tzinfo=UTC)
    assert next_night(next_night(EVENING, hour), hour) == datetime(
        2024, 2, day, hour, tzinfo=UTC
    ) + timedelta(days=1)
