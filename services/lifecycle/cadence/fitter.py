"""Makes a fit of the cadence model from all stored orders, one at a time whoever asks, and keeps what comes of it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

import structlog
from msgspec.structs import replace

from services.lifecycle import clocks
from services.lifecycle.cadence import likelihood, repository
from services.lifecycle.cadence.likelihood import Refused
from services.lifecycle.cadence.likelihood import Rhythm as Fitted
from services.lifecycle.cadence.repository import Attempt, Estimate, Rhythm
from services.lifecycle.domain.policy.cadence import WEEK
from services.lifecycle.schedule import load_schedule, next_number
from shared import metrics
from shared.database.connection import Pool, Tx, sorting_errors, transaction

log = structlog.get_logger()

Values: TypeAlias = Sequence[tuple[int, float]]


class Material(NamedTuple):
    """What a fit is made of, until the instant `as_of`."""

    as_of: datetime
    currency: str
    histories: Sequence[Rhythm]
    values: Values


class Fitter:
    """Makes fits for this process."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._busy = asyncio.Lock()  # waits without a connection

    async def fit(self) -> Attempt:
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

    async def _fit(self, connection: Tx) -> Attempt:
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


async def _material(connection: Tx) -> Material:
    as_of = await clocks.clock(connection)
    currency = (await load_schedule(connection)).at(as_of).currency
    histories = await repository.histories(connection, as_of)
    return Material(
        as_of, currency, histories, await repository.values(connection, as_of, currency)
    )


def _maximize(material: Material) -> tuple[Fitted | Refused, likelihood.Value | Refused]:
    """The rhythm, and the values where there is one. Runs in a thread: mostly outside the interpreter's lock."""
    x, tx, age, customers = (
        zip(*material.histories, strict=True) if material.histories else ((), (), (), ())
    )
    until_last, until_now = ([days / WEEK for days in column] for column in (tx, age))
    try:
        rhythm = likelihood.fit_rhythm(likelihood.compress(x, until_last, until_now, customers))
        if isinstance(rhythm, Refused):
            return rhythm, rhythm
        bought, means = zip(*material.values, strict=True) if material.values else ((), ())
        return rhythm, likelihood.fit_value(bought, means)
    except (ArithmeticError, ValueError) as error:
        broken = Refused(f"the fit failed: {error}", sum(customers), 0)
        return broken, broken


def _attempt(
    number: int,
    effective_at: datetime,
    material: Material,
    rhythm: Fitted | Refused,
    value: likelihood.Value | Refused,
) -> Attempt:
    if isinstance(rhythm, Refused):
        sizes = (rhythm.customers, rhythm.repeats)
        return Attempt(number, effective_at, material.as_of, rhythm.reason, *sizes, None)
    estimate = Estimate(
        number,
        effective_at,
        rhythm.r,
        rhythm.alpha,
        rhythm.a,
        rhythm.b,
        log_likelihood=rhythm.log_likelihood,
    )
    if isinstance(value, Refused):
        estimate = replace(estimate, no_values=value.reason)
    else:
        estimate = replace(
            estimate, p=value.p, q=value.q, gamma=value.gamma, currency=material.currency
        )
    return Attempt(
        number, effective_at, material.as_of, None, rhythm.customers, rhythm.repeats, estimate
    )
