"""Figures on demand: the stored value if it still holds, else computed once whoever asks, in one snapshot."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Generic

from pydantic import ValidationError

from services.lifecycle import clocks
from services.lifecycle.figures import repository
from services.lifecycle.figures.figure import Figure, MoneyValue, V
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.repository import FigureHeadline, FigureKey, StoredFigure
from services.lifecycle.figures.single_flight import SingleFlight
from shared import clock
from shared.database.connection import Pool, retryable_errors

AT_ONCE: Final = 2
"""Figures that a process computes at the same time; other requests want the database too."""


@dataclass(frozen=True, slots=True)
class FigureAnswer(Generic[V]):
    """A value; `settled` if every clock has passed the end of its period, `recomputed_at` the last change behind it."""

    value: V
    settled: bool
    computed_at: datetime
    recomputed_at: datetime | None

    @property
    def headline(self) -> FigureHeadline:
        """What the overview shows of it."""
        currency = self.value.currency if isinstance(self.value, MoneyValue) else None
        return FigureHeadline(self.value.value, currency, self.computed_at, self.recomputed_at)


class FigureService:
    """The figures of this process."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._flights: Final = SingleFlight()
        self._slots: Final = asyncio.Semaphore(AT_ONCE)  # waits without a connection

    async def period(self, begins: date | None, ends: date | None) -> Period:
        """What a request asks about. Raises Problem 422."""
        async with self._pool.acquire() as connection, repository.snapshot(connection) as tx:
            least, furthest = await clocks.least_clock(tx), await clocks.furthest_clock(tx)
        return Period.asked(begins, ends, least=least, furthest=furthest)

    async def one(
        self, figure: Figure[V], period: Period, account: Account | None
    ) -> FigureAnswer[V]:
        """A figure of a period. Raises Retryable if the database does not answer."""
        with retryable_errors():
            kept = await repository.find(self._pool, figure.key, period, account)
            if kept is not None and (value := _read(figure, kept.value)) is not None:
                return FigureAnswer(value, True, kept.computed_at, kept.recomputed_at)
            return await self._once(figure, period, account, asked=True)

    async def renew(self, figure: Figure[Any], period: Period, account: Account | None) -> None:
        """Compute and store a figure that nobody waits for. Raises Retryable if the database does not answer."""
        with retryable_errors():
            await self._once(figure, period, account, asked=False)

    async def headlines(
        self, figures: Iterable[Figure[Any]], periods: Iterable[Period], account: Account | None
    ) -> dict[tuple[str, date], FigureHeadline]:
        """The headlines of figures by key and beginning of the period."""
        wanted = {
            (figure.key, period.begins): (figure, period)
            for figure in figures
            for period in periods
        }
        keys, periods = [figure.key for figure in figures], list(periods)
        found = await repository.headlines(self._pool, keys, periods, account)
        missing = [wanted[key] for key in wanted if key not in found]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    (figure.key, period.begins): group.create_task(
                        self.one(figure, period, account)
                    )
                    for figure, period in missing
                }
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return found | {key: task.result().headline for key, task in tasks.items()}

    async def _once(
        self, figure: Figure[V], period: Period, account: Account | None, *, asked: bool
    ) -> FigureAnswer[V]:
        key = figure.key, period, account
        answer: FigureAnswer[V] = await self._flights.once(
            key, lambda: self._computed(figure, period, account, asked=asked)
        )
        return answer

    async def _computed(
        self, figure: Figure[V], period: Period, account: Account | None, *, asked: bool
    ) -> FigureAnswer[V]:
        async with self._slots, self._pool.acquire() as connection:
            async with repository.snapshot(connection) as tx:
                basis = await repository.basis(tx, period)
                value = await figure.compute(tx, period, account)
            answer = FigureAnswer(value, basis.settled, clock.now(), basis.restated_at)
            if basis.settled:
                kept = StoredFigure(
                    value.model_dump_json(by_alias=True), answer.computed_at, answer.recomputed_at
                )
                wanted = FigureKey(figure.key, period.begins, period.ends, account)
                await repository.store(connection, wanted, kept, basis.stamp, asked=asked)
        return answer


def _read(figure: Figure[V], stored: str) -> V | None:
    """A stored value; None for what another version of the figure has left."""
    try:
        return figure.value.model_validate_json(stored)
    except ValidationError:
        return None
