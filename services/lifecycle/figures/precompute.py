"""Computes figures before they are read: those of the latest periods, and outdated ones.

Some figures look at every order or transition of a year, which takes seconds in a large shop.
Readers find them stored. An outdated figure is computed again if it was read of late.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta
from typing import Any, Final

import structlog

from services.lifecycle.figures import repository
from services.lifecycle.figures.catalogue import FIGURES
from services.lifecycle.figures.definitions.flows import FLOWS
from services.lifecycle.figures.figure import Figure
from services.lifecycle.figures.period import Period, latest_periods
from services.lifecycle.figures.repository import FigureKey, HistoryState
from services.lifecycle.figures.service import FigureService
from shared.aio import wait
from shared.background import Periodic
from shared.clock import CLOCK_START, monotonic, now
from shared.database.connection import Pool, retryable_errors
from shared.database.leases import hold
from shared.error_texts import describe
from shared.errors import Retryable

log = structlog.get_logger()

LEASE: Final = "figures"
INTERVAL_S: Final = 30.0
LONGEST_RETRY_S: Final = 600.0
REST: Final = 4
"""How many times as long as a round the rest after it is: others want the database too."""
READ_WITHIN: Final = timedelta(days=7)
"""A figure that nobody has asked for in this time is computed while the next reader waits."""
MOST_POSTPONED: Final = 10
_BY_KEY: Final[dict[str, Figure[Any]]] = {
    figure.key: figure for figure in (*FIGURES.values(), *FLOWS.values())
}


def periods_ahead(day: date) -> list[Period]:
    """The periods computed ahead on a day: the latest, and the one before each for comparison."""
    pairs = (pair for period in latest_periods(day) for pair in (period, period.before))
    return list(dict.fromkeys(period for period in pairs if period.days))


class Precomputation:
    """Computes figures once a day, and when the past was restated, in one of several processes."""

    def __init__(self, pool: Pool, figures: FigureService) -> None:
        self._pool: Final = pool
        self._figures: Final = figures
        self._last_seen: HistoryState | None = None
        self._computed_for: HistoryState | None = None
        self._rounds: Final = Periodic(
            "figures",
            self.look_and_rest,
            pause=INTERVAL_S,
            at_once=False,
            first_retry_s=INTERVAL_S,
            longest_retry_s=LONGEST_RETRY_S,
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        """Look every 30 seconds, or more seldom after much work, while the block runs."""
        return self._rounds.running()

    async def look(self) -> int:
        """Compute what is missing, once the day stays the same; returns how many figures.

        While the days fly past, as in a replay, nothing is computed. Raises Retryable if the
        database does not answer.
        """
        with retryable_errors():
            state = await repository.history_state(self._pool)
            last_seen = self._last_seen
            self._last_seen = state
            if last_seen is None or last_seen.day != state.day or state.day <= CLOCK_START.date():
                return 0
            if state == self._computed_for:
                return 0
            async with hold(self._pool, LEASE) as is_held:
                if not is_held:
                    return 0
                number = await self.compute_missing(state.day)
            self._computed_for = state
            return number

    async def compute_missing(self, day: date) -> int:
        """Compute what is missing on a day that the clocks have reached; returns how many figures.

        A figure that takes too long is left to the first reader who wants it. Raises Retryable if
        that happens again and again.
        """
        began = monotonic()
        computed = 0
        postponed = 0
        for key in await self._missing(day):
            figure = _BY_KEY.get(key.figure)
            if figure is None:
                continue
            try:
                await self._figures.renew(figure, Period(key.begins, key.ends), key.account)
                computed += 1
            except Retryable as error:
                postponed += 1
                log.warning("figure.postponed", figure=key, reason=describe(error))
                if postponed > MOST_POSTPONED:
                    raise
        if computed:
            log.info("figures.kept", figures=computed, seconds=round(monotonic() - began, 1))
        return computed

    async def look_and_rest(self) -> None:
        """Look, then rest for as long as the work demands, however it has ended."""
        began = monotonic()
        try:
            await self.look()
        except Exception:
            await _rest(monotonic() - began)
            raise
        await _rest(monotonic() - began)

    async def _missing(self, day: date) -> list[FigureKey]:
        """What was asked for of late and is out of date, then what is always computed ahead."""
        recently_read = await repository.outdated_figures(self._pool, now() - READ_WITHIN)
        accounts = (None, *await repository.account_kinds(self._pool))
        always = [
            FigureKey(figure.key, period.begins, period.ends, account)
            for period in periods_ahead(day)
            for account in accounts
            for figure in FIGURES.values()
        ]
        current = await repository.current_figures(self._pool, {key.ends for key in always})
        missing = (key for key in always if key not in current)
        return list(dict.fromkeys((*recently_read, *missing)))


async def _rest(worked_s: float) -> None:
    """Leave the database to others for REST times as long as the work took, pause included."""
    left_s = REST * worked_s - INTERVAL_S
    if left_s > 0:
        await wait(asyncio.Event(), left_s)
