"""The use cases of the cadence model: make a fit, show fits, compare with fixed days."""

import asyncio
from datetime import datetime
from typing import Final

from services.lifecycle import clocks
from services.lifecycle.api.context import ApiContext
from services.lifecycle.cadence import repository
from services.lifecycle.cadence.backtest import compare
from services.lifecycle.cadence.fitter import Fitter
from services.lifecycle.cadence.nightly import NightlyFit
from services.lifecycle.cadence.repository import NEWEST
from services.lifecycle.cadence.schemas import (
    CadenceView,
    ComparisonView,
    FailureView,
    FitPage,
    FitView,
)
from shared.errors import Problem
from shared.http import Page, Slice


class CadenceService:
    """The use cases of the cadence model."""

    def __init__(self, context: ApiContext, fitter: Fitter, nightly: NightlyFit) -> None:
        self._context: Final = context
        self._pool: Final = context.pool
        self._fitter: Final = fitter
        self._nightly: Final = nightly

    async def fit(self) -> FitView:
        """Make a fit, or wait for the one under way."""
        return FitView.of(await self._fitter.fit())

    async def show(self) -> CadenceView:
        """The fit in force, and the last attempt."""
        clock = await clocks.least_clock(self._pool)
        in_force = await repository.in_force(self._pool)
        latest = await repository.latest(self._pool)
        failure = self._nightly.failure
        return CadenceView(
            silence=(await self._context.schedule()).at(clock).silence,
            in_force=FitView.of(in_force) if in_force else None,
            last=FitView.of(latest) if latest else None,
            failure=FailureView(at=failure.at, reason=failure.reason) if failure else None,
            as_of=clock,
        )

    async def list(self, part: Slice) -> FitPage:
        """A page of all fits, the newest first."""
        clock = await clocks.least_clock(self._pool)
        (before,) = part.after(int) or (NEWEST,)
        page = Page[FitView].of(
            await repository.page(self._pool, before, part.limit + 1),
            part,
            key=lambda row: (row.number,),
            view=FitView.of,
        )
        return FitPage(items=page.items, next_cursor=page.next_cursor, as_of=clock)

    async def compare(self, since: datetime | None) -> ComparisonView:
        """Judge the purchases from `since` on by both models. Raises Problem 409 without a fit."""
        in_force = await repository.in_force(self._pool)
        if in_force is None:
            raise Problem(409, "no_fit", "No fit has been accepted: there is nothing to compare.")
        begin = since or in_force.effective_at
        as_of = await clocks.least_clock(self._pool)
        policy = (await self._context.schedule()).at(as_of)
        async with self._pool.acquire() as connection:
            episodes = await repository.episodes(connection, begin, as_of)
        result = await asyncio.to_thread(compare, episodes, policy, as_of.date())
        return ComparisonView.of(result, since=begin, as_of=as_of, horizon_days=policy.horizon_days)
