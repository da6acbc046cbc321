"""Computed figures as the database keeps them, good until something of their time is restated."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from services.lifecycle.figures.period import Account, Period
from shared.clock import DAWN
from shared.db import Pool, Tx, sorting_errors

_RESTATED: Final = """
SELECT coalesce(sum(number), 0)::bigint AS stamp, max(at) AS at FROM restated WHERE day < $1
"""
_BASIS: Final = f"""
SELECT r.stamp, r.at, (SELECT min(clock) FROM owner) AS clock FROM ({_RESTATED}) AS r
"""  # noqa: S608  (constants)
_FIND: Final = f"""
SELECT f.value, f.computed_at, r.at AS recomputed_at FROM figure AS f CROSS JOIN ({_RESTATED}) AS r
WHERE f.name = $2 AND f.begins = $3 AND f.ends = $1 AND f.account = $4 AND f.stamp = r.stamp
"""  # noqa: S608  (constants)
_HEADLINES: Final = """
SELECT f.name, f.begins, (f.value ->> 'value')::float8 AS value, f.value ->> 'currency' AS currency,
    f.computed_at, r.at AS recomputed_at
FROM unnest($1::date[], $2::date[]) AS p(begins, ends)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(number), 0)::bigint AS stamp, max(at) AS at FROM restated WHERE day < p.ends
) AS r
JOIN figure AS f ON f.begins = p.begins AND f.ends = p.ends AND f.stamp = r.stamp
WHERE f.name = ANY($3::text[]) AND f.account = $4 AND json_typeof(f.value -> 'value') IN ('number', 'null')
"""
_KEEP: Final = """
INSERT INTO figure (name, begins, ends, account, value, stamp, computed_at) VALUES ($1, $2, $3, $4, $5::json, $6, $7)
ON CONFLICT (name, begins, ends, account) DO UPDATE
SET value = excluded.value, stamp = excluded.stamp, computed_at = excluded.computed_at
WHERE figure.stamp <= excluded.stamp
"""
_SWEEP: Final = "DELETE FROM figure WHERE computed_at < $1"
KEPT_FOR: Final = timedelta(weeks=8)
"""Of values computed before, most are of periods that nobody asks for any more, or of figures that are no more."""
_FREELY: Final = """
SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL idle_in_transaction_session_timeout = '5min'
"""
"""Compiling a statement takes longer than it runs, and what does not fit into memory goes to the disk.

What is computed between two fetches may take longer than a transaction may idle.
"""


class Basis(NamedTuple):
    """What a figure is computed from: how often its time was restated, when last, and whether it is over."""

    stamp: int
    restated_at: datetime | None
    settled: bool


class Kept(NamedTuple):
    """A stored value as JSON, when it was computed, and the clock of the last change to its time."""

    value: str
    computed_at: datetime
    recomputed_at: datetime | None


class Headline(NamedTuple):
    """The headline of a value, in money with its currency."""

    value: float | None
    currency: str | None
    computed_at: datetime
    recomputed_at: datetime | None


@asynccontextmanager
async def snapshot(connection: Tx) -> AsyncIterator[Tx]:
    """All that is read inside belongs to one instant, and nothing can be written."""
    with sorting_errors():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(_FREELY)
            yield connection


async def basis(tx: Tx, period: Period) -> Basis:
    """What there is to say of the time before the end of a period."""
    row = await tx.fetchrow(_BASIS, period.ends)
    assert row is not None  # noqa: S101  (an aggregate)
    return Basis(row["stamp"], row["at"], period.until <= (row["clock"] or DAWN))


async def find(pool: Pool, key: str, period: Period, account: Account | None) -> Kept | None:
    """A stored value that still holds."""
    row = await pool.fetchrow(_FIND, period.ends, key, period.begins, account or "")
    return Kept(*row) if row else None


async def headlines(
    pool: Pool, keys: Sequence[str], periods: Sequence[Period], account: Account | None
) -> dict[tuple[str, date], Headline]:
    """The headlines of stored values that still hold, by key and beginning."""
    begins, ends = [period.begins for period in periods], [period.ends for period in periods]
    rows = await pool.fetch(_HEADLINES, begins, ends, keys, account or "")
    return {(name, begin): Headline(*rest) for name, begin, *rest in rows}


async def keep(connection: Tx, key: str, period: Period, account: Account | None, found: Kept, stamp: int) -> None:
    """Store a value, unless one of a later state is there."""
    await connection.execute(
        _KEEP, key, period.begins, period.ends, account or "", found.value, stamp, found.computed_at
    )


async def sweep(tx: Tx, before: datetime) -> None:
    """Delete what was computed before an instant; who asks for it has it computed anew."""
    await tx.execute(_SWEEP, before)
