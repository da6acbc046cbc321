"""Makes fits of the cadence model from all stored orders, one at a time across processes."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from services.lifecycle import clocks
from services.lifecycle.cadence import repository
from services.lifecycle.cadence.estimation import (
    RefusedFit,
    RhythmFit,
    ValueFit,
    fit_rhythm,
    fit_value,
)
from services.lifecycle.cadence.likelihood import PurchaseHistories, compress
from services.lifecycle.cadence.repository import (
    TIMEOUT_S,
    CustomerValue,
    FitAttempt,
    FitEstimate,
    HistoryCount,
)
from services.lifecycle.domain.policy.cadence import WEEK
from services.lifecycle.schedule import load_schedule, next_number
from shared import metrics
from shared.database.connection import Pool, Tx, retryable_errors, transaction
from shared.database.leases import hold
from shared.errors import Retryable

log = structlog.get_logger()

LEASE: Final = "fit"


class FitInput(NamedTuple):
    """What a fit is made of: all purchases until the instant `as_of`."""

    as_of: datetime
    currency: str
    histories: Sequence[HistoryCount]
    values: Sequence[CustomerValue]


class FitOutcome(NamedTuple):
    """What maximum likelihood has made of an input."""

    rhythm: RhythmFit | RefusedFit
    value: ValueFit | RefusedFit


class Fitter:
    """Makes fits for this process."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._busy: Final = asyncio.Lock()  # only one request of a process waits for the lease

    async def fit(self) -> FitAttempt:
        """Fit the orders until the clock, or return the fit under way, here or in another process.

        Raises Retryable if the database does not answer.
        """
        with retryable_errors():
            before = await repository.latest(self._pool)
            async with self._busy, hold(self._pool, LEASE, wait_s=TIMEOUT_S) as is_held:
                if not is_held:
                    raise Retryable("another fit has been under way for too long")
                return await self._fit_after(before)

    async def _fit_after(self, before: FitAttempt | None) -> FitAttempt:
        """The fit that somebody has made since `before`, or else a new one."""
        latest = await repository.latest(self._pool)
        if latest is not None and (before is None or latest.number > before.number):
            return latest
        async with self._pool.acquire() as connection:
            return await _make_fit(connection)


async def _make_fit(connection: Tx) -> FitAttempt:
    data = await _read_input(connection)
    outcome = await asyncio.to_thread(maximize, data)
    async with transaction(connection) as tx:
        # Nobody has been judged beyond the furthest clock: from there on, a fit re-judges nothing.
        effective_at = await clocks.furthest_clock(tx)
        attempt = make_attempt(await next_number(tx), effective_at, data, outcome)
        await repository.store(tx, attempt)
    _report(attempt)
    return attempt


async def _read_input(connection: Tx) -> FitInput:
    as_of = await clocks.least_clock(connection)
    currency = (await load_schedule(connection)).at(as_of).currency
    histories = await repository.histories(connection, as_of)
    values = await repository.values(connection, as_of, currency)
    return FitInput(as_of, currency, histories, values)


def maximize(data: FitInput) -> FitOutcome:
    """Fit the rhythm and, if that succeeds, the values.

    Runs in a thread, mostly without the interpreter's lock.
    """
    try:
        rhythm = fit_rhythm(_compressed(data.histories))
        if isinstance(rhythm, RefusedFit):
            return FitOutcome(rhythm, rhythm)
        repeats = [x for x, _ in data.values]
        means = [mean for _, mean in data.values]
        return FitOutcome(rhythm, fit_value(repeats, means))
    except (ArithmeticError, ValueError) as error:
        customers = sum(row.customers for row in data.histories)
        refused = RefusedFit(f"the fit failed: {error}", customers, 0)
        return FitOutcome(refused, refused)


def _compressed(histories: Sequence[HistoryCount]) -> PurchaseHistories:
    return compress(
        [row.x for row in histories],
        [row.tx / WEEK for row in histories],
        [row.age / WEEK for row in histories],
        [row.customers for row in histories],
    )


def make_attempt(
    number: int, effective_at: datetime, data: FitInput, outcome: FitOutcome
) -> FitAttempt:
    """What is stored of an outcome: the accepted estimate, or the reason for refusing it."""
    rhythm = outcome.rhythm
    reason = None
    estimate = None
    if isinstance(rhythm, RefusedFit):
        reason = rhythm.reason
    else:
        estimate = _with_values(_rhythm_estimate(number, effective_at, rhythm), data, outcome.value)
    return FitAttempt(
        number, effective_at, data.as_of, reason, rhythm.customers, rhythm.repeats, estimate
    )


def _rhythm_estimate(number: int, effective_at: datetime, rhythm: RhythmFit) -> FitEstimate:
    return FitEstimate(
        version=number,
        effective_at=effective_at,
        r=rhythm.r,
        alpha=rhythm.alpha,
        a=rhythm.a,
        b=rhythm.b,
        log_likelihood=rhythm.log_likelihood,
    )


def _with_values(
    estimate: FitEstimate, data: FitInput, value: ValueFit | RefusedFit
) -> FitEstimate:
    if isinstance(value, RefusedFit):
        return replace(estimate, no_values=value.reason)
    return replace(estimate, p=value.p, q=value.q, gamma=value.gamma, currency=data.currency)


def _report(attempt: FitAttempt) -> None:
    outcome = "refused" if attempt.reason else "accepted"
    metrics.FITS.labels(outcome).inc()
    log.info(
        f"fit.{outcome}",
        number=attempt.number,
        customers=attempt.customers,
        reason=attempt.reason,
    )
