"""Figures on demand: the stored value while it is current, otherwise computed in one snapshot."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Generic, TypeAlias

from pydantic import ValidationError

from services.lifecycle import clocks
from services.lifecycle.figures import repository
from services.lifecycle.figures.catalogue import FIGURES
from services.lifecycle.figures.definitions.flows import FLOWS, FlowsValue, Span
from services.lifecycle.figures.figure import Figure, MoneyValue, V
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.recount import service as recount
from services.lifecycle.figures.recount.repository import RecountResult
from services.lifecycle.figures.repository import (
    FigureBasis,
    FigureHeadline,
    FigureKey,
    StoredFigure,
)
from services.lifecycle.figures.single_flight import SingleFlight
from shared import clock
from shared.database.connection import Pool, retryable_errors
from shared.errors import FieldError, Problem

AT_ONCE: Final = 2
"""Figures that a process computes at the same time; other requests want the database too."""
MOST_DAYS: Final = 366
"""In a period that is counted by day."""

Headlines: TypeAlias = Mapping[tuple[str, date], FigureHeadline]
"""By the key of the figure and the beginning of the period."""


@dataclass(frozen=True, slots=True)
class FigureAnswer(Generic[V]):
    """The value of a figure in a period.

    `settled` if every clock has passed the end of the period; `recomputed_at` is the clock of the
    last change to what it was made from.
    """

    figure: Figure[V]
    period: Period
    account: Account | None
    value: V
    settled: bool
    computed_at: datetime
    recomputed_at: datetime | None

    @property
    def headline(self) -> FigureHeadline:
        """What the overview shows of it."""
        currency = self.value.currency if isinstance(self.value, MoneyValue) else None
        return FigureHeadline(self.value.value, currency, self.computed_at, self.recomputed_at)


@dataclass(frozen=True, slots=True)
class FigureOverview:
    """The headlines of all figures in a period and in the one before."""

    period: Period
    account: Account | None
    headlines: Headlines


class FigureService:
    """The figures of this process."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._flights: Final = SingleFlight()
        self._slots: Final = asyncio.Semaphore(AT_ONCE)  # waits without a connection

    async def overview(
        self, begins: date | None, ends: date | None, account: Account | None
    ) -> FigureOverview:
        """All figures at a glance. Raises Problem 422."""
        period = await self._period(begins, ends)
        figures = list(FIGURES.values())
        headlines = await self._headlines(figures, (period, period.before), account)
        return FigureOverview(period, account, headlines)

    async def detail(
        self,
        figure: Figure[V],
        begins: date | None,
        ends: date | None,
        account: Account | None,
    ) -> FigureAnswer[V]:
        """One figure. Raises Problem 422."""
        return await self.answer(figure, await self._period(begins, ends), account)

    async def flows(
        self,
        per: Span,
        begins: date | None,
        ends: date | None,
        account: Account | None,
    ) -> FigureAnswer[FlowsValue]:
        """Transitions by day, week or month. Raises Problem 422, also for too many days."""
        period = await self._period(begins, ends)
        if per is Span.DAY and period.days > MOST_DAYS:
            wrong = FieldError("per", f"by day, a period has at most {MOST_DAYS} days")
            detail = f"per: the period has {period.days} days."
            raise Problem(422, "invalid", detail, errors=(wrong,))
        return await self.answer(FLOWS[per], period, account)

    async def check(self) -> RecountResult:
        """Compare the daily counts with the transitions; nothing is changed."""
        return await recount.check(self._pool)

    async def rebuild(self) -> RecountResult:
        """Correct the daily counts that differ, and drop all stored figures."""
        return await recount.rebuild(self._pool)

    async def answer(
        self, figure: Figure[V], period: Period, account: Account | None
    ) -> FigureAnswer[V]:
        """A figure of a period. Raises Retryable if the database does not answer."""
        with retryable_errors():
            stored = await repository.find(self._pool, figure.key, period, account)
            value = None if stored is None else _decode(figure, stored.value)
            if stored is None or value is None:
                return await self._compute_once(figure, period, account, for_reader=True)
        return FigureAnswer(
            figure,
            period,
            account,
            value,
            settled=True,
            computed_at=stored.computed_at,
            recomputed_at=stored.recomputed_at,
        )

    async def renew(self, figure: Figure[Any], period: Period, account: Account | None) -> None:
        """Compute and store a figure that nobody waits for.

        Raises Retryable if the database does not answer.
        """
        with retryable_errors():
            await self._compute_once(figure, period, account, for_reader=False)

    async def _period(self, begins: date | None, ends: date | None) -> Period:
        """The period that a request asks for. Raises Problem 422."""
        async with self._pool.acquire() as connection, repository.snapshot(connection) as tx:
            least = await clocks.least_clock(tx)
            furthest = await clocks.furthest_clock(tx)
        return Period.requested(begins, ends, least=least, furthest=furthest)

    async def _headlines(
        self,
        figures: Iterable[Figure[Any]],
        periods: Iterable[Period],
        account: Account | None,
    ) -> Headlines:
        """The stored headlines that are current; the others are computed."""
        wanted = {
            (figure.key, period.begins): (figure, period)
            for figure in figures
            for period in periods
        }
        keys = [figure.key for figure in figures]
        stored = await repository.headlines(self._pool, keys, list(periods), account)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    key: group.create_task(self.answer(*wanted[key], account))
                    for key in wanted
                    if key not in stored
                }
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return stored | {key: task.result().headline for key, task in tasks.items()}

    async def _compute_once(
        self, figure: Figure[V], period: Period, account: Account | None, *, for_reader: bool
    ) -> FigureAnswer[V]:
        key = figure.key, period, account
        answer: FigureAnswer[V] = await self._flights.once(
            key, lambda: self._compute(figure, period, account, for_reader=for_reader)
        )
        return answer

    async def _compute(
        self, figure: Figure[V], period: Period, account: Account | None, *, for_reader: bool
    ) -> FigureAnswer[V]:
        """Compute a figure in one snapshot, and store it if its period is over."""
        async with self._slots, self._pool.acquire() as connection:
            async with repository.snapshot(connection) as tx:
                basis = await repository.basis(tx, period)
                value = await figure.compute(tx, period, account)
            answer = _computed(figure, period, account, value, basis)
            if basis.settled:
                key = FigureKey(figure.key, period.begins, period.ends, account)
                await repository.store(
                    connection, key, _stored(answer), basis.stamp, for_reader=for_reader
                )
        return answer


def _computed(
    figure: Figure[V], period: Period, account: Account | None, value: V, basis: FigureBasis
) -> FigureAnswer[V]:
    """The answer of a value that was computed just now."""
    return FigureAnswer(
        figure,
        period,
        account,
        value,
        settled=basis.settled,
        computed_at=clock.now(),
        recomputed_at=basis.restated_at,
    )


def _stored(answer: FigureAnswer[Any]) -> StoredFigure:
    """An answer as it is stored."""
    value = answer.value.model_dump_json(by_alias=True)
    return StoredFigure(value, answer.computed_at, answer.recomputed_at)


def _decode(figure: Figure[V], stored: str) -> V | None:
    """A stored value; None for what another version of the figure has left."""
    try:
        return figure.value.model_validate_json(stored)
    except ValidationError:
        return None
