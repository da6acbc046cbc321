"""Makes a fit of the cadence model from all stored orders, one at a time whoever asks, and keeps what comes of it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

import structlog
from msgspec.structs import replace

from services.lifecycle import clocks
from services.lifecycle.cadence import likelihood, repository
from services.lifecycle.cadence.likelihood import RefusedFit
from services.lifecycle.cadence.likelihood import RhythmFit as Fitted
from services.lifecycle.cadence.repository import FitAttempt, FitEstimate, PurchaseHistory
from services.lifecycle.domain.policy.cadence import WEEK
from services.lifecycle.schedule import load_schedule, next_number
from shared import metrics
from shared.database.connection import Pool, Tx, sorting_errors, transaction

log = structlog.get_logger()

CustomerValues: TypeAlias = Sequence[tuple[int, float]]


class FitInput(NamedTuple):
    """What a fit is made of, until the instant `as_of`."""

    as_of: datetime
    currency: str
    histories: Sequence[PurchaseHistory]
    values: CustomerValues


class Fitter:
    """Makes fits for this process."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._busy = asyncio.Lock()  # waits without a connection

    async def fit(self) -> FitAttempt:
        """A fit of the orders until the clock, or the one under way, here or in another process.

        Raises Retryable if the database does not answer.
        """
        with sorting_errors():
            before = await repository.last(self._pool)
            async with self._busy, self._pool.acquire() as connection, repository.alone(connection):
                found = await repository.last(connection)
                if found is not None and (before is None or found.number > before.number):
                    return found
                return await self._fit(connection)

    async def _fit(self, connection: Tx) -> FitAttempt:
        material = await _material(connection)
        found = await asyncio.to_thread(_maximize, material)
        async with transaction(connection) as tx:
            # What lies beyond every clock has been judged by nobody: a fit re-judges nothing.
            effective_at = await clocks.furthest_clock(tx)
            attempt = _attempt(await next_number(tx), effective_at, material, *found)
            await repository.store(tx, attempt)
        outcome = "refused" if attempt.reason else "accepted"
        metrics.FITS.labels(outcome).inc()
        log.info(
            f"fit.{outcome}",
            number=attempt.number,
            customers=attempt.customers,
            reason=attempt.reason,
        )
        return attempt


async def _material(connection: Tx) -> FitInput:
    as_of = await clocks.clock(connection)
    currency = (await load_schedule(connection)).at(as_of).currency
    histories = await repository.histories(connection, as_of)
    return FitInput(
        as_of, currency, histories, await repository.values(connection, as_of, currency)
    )


def _maximize(material: FitInput) -> tuple[Fitted | RefusedFit, likelihood.ValueFit | RefusedFit]:
    """The rhythm, and the values where there is one. Runs in a thread: mostly outside the interpreter's lock."""
    x, tx, age, customers = (
        zip(*material.histories, strict=True) if material.histories else ((), (), (), ())
    )
    until_last, until_now = ([days / WEEK for days in column] for column in (tx, age))
    try:
        rhythm = likelihood.fit_rhythm(likelihood.compress(x, until_last, until_now, customers))
        if isinstance(rhythm, RefusedFit):
            return rhythm, rhythm
        bought, means = zip(*material.values, strict=True) if material.values else ((), ())
        return rhythm, likelihood.fit_value(bought, means)
    except (ArithmeticError, ValueError) as error:
        broken = RefusedFit(f"the fit failed: {error}", sum(customers), 0)
        return broken, broken


def _attempt(
    number: int,
    effective_at: datetime,
    material: FitInput,
    rhythm: Fitted | RefusedFit,
    value: likelihood.ValueFit | RefusedFit,
) -> FitAttempt:
    if isinstance(rhythm, RefusedFit):
        sizes = (rhythm.customers, rhythm.repeats)
        return FitAttempt(number, effective_at, material.as_of, rhythm.reason, *sizes, None)
    estimate = FitEstimate(
        number,
        effective_at,
        rhythm.r,
        rhythm.alpha,
        rhythm.a,
        rhythm.b,
        log_likelihood=rhythm.log_likelihood,
    )
    if isinstance(value, RefusedFit):
        estimate = replace(estimate, no_values=value.reason)
    else:
        estimate = replace(
            estimate, p=value.p, q=value.q, gamma=value.gamma, currency=material.currency
        )
    return FitAttempt(
        number, effective_at, material.as_of, None, rhythm.customers, rhythm.repeats, estimate
    )
