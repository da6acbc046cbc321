"""The nightly fit, by a clock that the test sets."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import pytest

from services.lifecycle.cadence.nightly import NightlyFit, next_night
from services.lifecycle.cadence.repository import FitAttempt
from shared import background
from shared.errors import Retryable

EVENING: Final = datetime(2024, 2, 28, 21, 30, tzinfo=UTC)

Fit: TypeAlias = Callable[[datetime], Awaitable[None]]
Nights: TypeAlias = Callable[[datetime, Fit], Awaitable[NightlyFit]]


class Clock:
    """Time passes only where somebody waits, and stands still in the end."""

    def __init__(self, until: datetime) -> None:
        self.now = EVENING
        self.stands_still = asyncio.Event()
        self._until = until

    async def wait(self, _: asyncio.Event, seconds: float) -> None:
        self.now = min(self.now + timedelta(seconds=seconds), self._until)
        await asyncio.sleep(0)
        if self.now >= self._until:
            self.stands_still.set()
            await asyncio.Event().wait()


@pytest.fixture
def nights_until(monkeypatch: pytest.MonkeyPatch) -> Nights:
    """What the nights of a process have been at an instant."""

    async def run(until: datetime, fit: Fit) -> NightlyFit:
        clock = Clock(until)
        monkeypatch.setattr(background, "wait", clock.wait)

        async def attempt() -> FitAttempt:
            await fit(clock.now)
            return FitAttempt(1, clock.now, clock.now, "too few", 0, 0, None)

        nights = NightlyFit(attempt, 3, now=lambda: clock.now)
        async with nights.running():
            await clock.stands_still.wait()
        return nights

    return run


async def test_a_fit_is_made_every_night_at_its_hour(nights_until: Nights) -> None:
    made = list[datetime]()

    async def fit(now: datetime) -> None:
        made.append(now)

    nights = await nights_until(datetime(2024, 3, 2, 2, tzinfo=UTC), fit)
    assert made == [datetime(2024, 2, 29, 3, tzinfo=UTC), datetime(2024, 3, 1, 3, tzinfo=UTC)]
    assert nights.failure is None


async def test_a_night_that_fails_is_shown_until_one_succeeds(nights_until: Nights) -> None:
    async def fit(now: datetime) -> None:
        if now.day == 29:
            raise Retryable("the database is away")

    nights = await nights_until(datetime(2024, 2, 29, 20, tzinfo=UTC), fit)
    assert nights.failure == (datetime(2024, 2, 29, 3, tzinfo=UTC), "the database is away")
    nights = await nights_until(datetime(2024, 3, 1, 20, tzinfo=UTC), fit)
    assert nights.failure is None


async def test_the_failure_that_is_shown_is_of_the_latest_night(nights_until: Nights) -> None:
    async def fit(_: datetime) -> None:
        raise Retryable("the database is away")

    nights = await nights_until(datetime(2024, 3, 2, 20, tzinfo=UTC), fit)
    assert nights.failure == (datetime(2024, 3, 2, 3, tzinfo=UTC), "the database is away")


async def test_a_fit_that_fails_is_tried_again_in_the_same_night(nights_until: Nights) -> None:
    tried = list[datetime]()

    async def fit(now: datetime) -> None:
        tried.append(now)
        if len(tried) < 3:
            raise ZeroDivisionError("whatever it is")

    nights = await nights_until(datetime(2024, 2, 29, 20, tzinfo=UTC), fit)
    due = datetime(2024, 2, 29, 3, tzinfo=UTC)
    assert tried == [due, due + timedelta(minutes=1), due + timedelta(minutes=3)]
    assert nights.failure is None


async def test_a_clock_that_was_set_back_makes_no_second_fit() -> None:
    made = list[datetime]()
    now = EVENING

    async def fit() -> FitAttempt:
        made.append(now)
        return FitAttempt(1, now, now, "too few", 0, 0, None)

    nights = NightlyFit(fit, 3, now=lambda: now)
    now = datetime(2024, 2, 29, 2, 59, tzinfo=UTC)
    await nights.fit_if_due()
    assert made == []
    assert nights.pause() == 60
    now = datetime(2024, 2, 29, 3, tzinfo=UTC)
    await nights.fit_if_due()
    assert made == [now]
    assert nights.pause() == 24 * 3600


@pytest.mark.parametrize(("hour", "day"), [(21, 29), (22, 28), (0, 29)])
def test_the_next_night_lies_ahead(hour: int, day: int) -> None:
    first = next_night(EVENING, hour)
    assert first == datetime(2024, 2, day, hour, tzinfo=UTC)
    assert next_night(first, hour) == first + timedelta(days=1)
