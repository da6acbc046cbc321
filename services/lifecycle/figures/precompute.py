"""Figures computed ahead: of the latest periods, and whatever was asked for of late and has been restated since.

Some look at every order or transition of a year, which takes seconds in a large shop; who asks finds them stored.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from shared.aio import in_background, wait
from shared.clock import DAWN, monotonic, now
from shared.database.connection import REFUSED, Pool, retryable_errors
from shared.errors import Retryable

log = structlog.get_logger()

INTERVAL_S: Final = 30.0
REST: Final = 4
"""So many times as long as it took to compute, nothing is computed ahead: others want the database too."""
ASKED_WITHIN: Final = timedelta(days=7)
"""Who has not asked again for so long waits for the answer."""
MOST_FAILED: Final = 10
_BY_KEY: Final[dict[str, Figure[Any]]] = {
    figure.key: figure for figure in (*FIGURES.values(), *FLOWS.values())
}


def periods_ahead(day: date) -> list[Period]:
    """The periods computed ahead on a day: the latest, and the period before each, which stands beside it."""
    both = (period for one in latest_periods(day) for period in (one, one.before))
    return list(dict.fromkeys(period for period in both if period.days))


class Precomputation:
    """Computes ahead once a day, and when something was restated; of several processes one does."""

    def __init__(self, pool: Pool, figures: FigureService) -> None:
        self._pool: Final = pool
        self._figures: Final = figures
        self._seen: HistoryState | None = None
        self._kept: HistoryState | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the block runs."""
        async with in_background(self.run(asyncio.Event())):
            yield

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        pause = INTERVAL_S
        while not stop.is_set():
            await wait(stop, pause)
            began = monotonic()
            try:
                await self.look()
            except Retryable as error:
                log.warning("figures.postponed", reason=str(error))
            except REFUSED as error:
                # Computing ahead is an extra: one record that cannot be read must not end the process that answers.
                log.error("figures.failed", reason=f"{type(error).__name__}: {error}")
            pause = max(INTERVAL_S, REST * (monotonic() - began))

    async def look(self) -> int:
        """Compute what is missing; returns how many figures. While the days fly past, as in a replay: nothing.

        Raises Retryable if the database does not answer.
        """
        with sorting_errors():
            standing, before = await repository.history_state(self._pool), self._seen
            self._seen = standing
            if (
                standing.day <= DAWN.date()
                or before is None
                or before.day != standing.day
                or standing == self._kept
            ):
                return 0
            async with repository.keeping(self._pool) as mine:
                if not mine:
                    return 0
                number = await self.keep(standing.day)
            self._kept = standing
            return number

    async def keep(self, day: date) -> int:
        """Compute what is missing on a day that the clocks have come to; returns how many figures.

        One that does not end in time is left to who asks for it. Raises Retryable if that happens again and again.
        """
        began, number, failed = monotonic(), 0, 0
        for wanted in await self._missing(day):
            if (figure := _BY_KEY.get(wanted.key)) is None:
                continue
            try:
                await self._figures.renew(
                    figure, Period(wanted.begins, wanted.ends), wanted.account
                )
                number += 1
            except Retryable as error:
                failed += 1
                log.warning("figure.postponed", figure=wanted, reason=str(error))
                if failed > MOST_FAILED:
                    raise
        if number:
            log.info("figures.kept", figures=number, seconds=round(monotonic() - began, 1))
        return number

    async def _missing(self, day: date) -> list[FigureKey]:
        asked = await repository.outdated_figures(self._pool, now() - ASKED_WITHIN)
        accounts = (None, *await repository.account_kinds(self._pool))
        standing = [
            FigureKey(figure.key, period.begins, period.ends, account)
            for period in periods_ahead(day)
            for account in accounts
            for figure in FIGURES.values()
        ]
        there = await repository.current_figures(self._pool, {wanted.ends for wanted in standing})
        return list(
            dict.fromkeys((*asked, *(wanted for wanted in standing if wanted not in there)))
        )
