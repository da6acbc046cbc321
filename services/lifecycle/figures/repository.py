"""Computed figures in the database, current until something of their time is restated."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from services.lifecycle.figures.period import Account, Period
from shared.clock import CLOCK_START, now
from shared.database import connection as db
from shared.database.connection import Pool, Tx

_RESTATED: Final = (
    "SELECT coalesce(sum(number), 0)::bigint AS stamp, max(at) AS at FROM restated WHERE day < $1"
)
_RESTATED_BY_THEN: Final = _RESTATED.replace("$1", "p.ends")
"""The same of several periods `p`."""
_BASIS: Final = f"""
SELECT r.stamp, r.at, (SELECT min(clock) FROM owner) AS clock FROM ({_RESTATED}) AS r
"""  # noqa: S608  (constants)
_ASKED: Final = """
asked AS (
    UPDATE figure SET asked_at = $5 FROM current_figure AS f
    WHERE (figure.name, figure.begins, figure.ends, figure.account)
            = (f.name, f.begins, f.ends, f.account)
        AND figure.asked_at < $5::timestamptz - interval '1 day'
)
"""
"""Noted once a day: otherwise every read would write."""
_FIND: Final = f"""
WITH current_figure AS (
    SELECT f.*, r.at AS recomputed_at FROM figure AS f CROSS JOIN ({_RESTATED}) AS r
    WHERE f.name = $2 AND f.begins = $3 AND f.ends = $1 AND f.account = $4 AND f.stamp = r.stamp
), {_ASKED}
SELECT value, computed_at, recomputed_at FROM current_figure
"""  # noqa: S608  (constants)
_HEADLINES: Final = f"""
WITH current_figure AS (
    SELECT f.*, r.at AS recomputed_at
    FROM unnest($1::date[], $2::date[]) AS p(begins, ends)
    CROSS JOIN LATERAL ({_RESTATED_BY_THEN}) AS r
    JOIN figure AS f ON f.begins = p.begins AND f.ends = p.ends AND f.stamp = r.stamp
    WHERE f.name = ANY($3::text[]) AND f.account = $4
        AND json_typeof(f.value -> 'value') IN ('number', 'null')
), {_ASKED}
SELECT name, begins,
    (value ->> 'value')::float8 AS value,
    value ->> 'currency' AS currency,
    computed_at,
    recomputed_at
FROM current_figure
"""  # noqa: S608  (constants)
_STORE: Final = """
INSERT INTO figure AS f (name, begins, ends, account, value, stamp, computed_at, asked_at)
VALUES ($1, $2, $3, $4, $5::json, $6, $7, coalesce($8::timestamptz, '-infinity'))
ON CONFLICT (name, begins, ends, account) DO UPDATE
SET value = excluded.value, stamp = excluded.stamp, computed_at = excluded.computed_at,
    asked_at = greatest(f.asked_at, excluded.asked_at)
WHERE f.stamp <= excluded.stamp
"""
_HISTORY_STATE: Final = """
SELECT ((SELECT min(clock) FROM owner) AT TIME ZONE 'UTC')::date AS day,
    (SELECT coalesce(sum(number), 0) FROM restated)::bigint AS stamp
"""
_CURRENT: Final = f"""
SELECT f.name, f.begins, f.ends, nullif(f.account, '') FROM unnest($1::date[]) AS p(ends)
CROSS JOIN LATERAL ({_RESTATED_BY_THEN}) AS r
JOIN figure AS f ON f.ends = p.ends AND f.stamp = r.stamp
"""  # noqa: S608  (constants)
_OUTDATED: Final = f"""
SELECT f.name, f.begins, f.ends, nullif(f.account, '') FROM (SELECT DISTINCT ends FROM figure) AS p
CROSS JOIN LATERAL ({_RESTATED_BY_THEN}) AS r
JOIN figure AS f ON f.ends = p.ends AND f.stamp <> r.stamp
WHERE f.asked_at > $1 ORDER BY f.asked_at DESC
"""  # noqa: S608  (constants)
_ACCOUNT_KINDS: Final = """
SELECT a.account FROM unnest(ARRAY['b2c', 'b2b']) AS a(account)
WHERE EXISTS (SELECT FROM customer AS c WHERE c.account = a.account)
"""
_DELETE: Final = "DELETE FROM figure WHERE computed_at < $1"
_ADD_PATTERNS: Final = """
INSERT INTO pattern (topic, week) SELECT * FROM unnest($1::text[], $2::date[]) ORDER BY 1, 2
ON CONFLICT DO NOTHING RETURNING topic, week
"""
KEPT_FOR: Final = timedelta(weeks=8)
"""Older values are mostly of periods that nobody reads any more, or of figures that are gone."""
_SNAPSHOT_SETTINGS: Final = """
SET LOCAL jit = off;
SET LOCAL work_mem = '64MB';
SET LOCAL idle_in_transaction_session_timeout = '5min'
"""
"""Compiling a statement takes longer than running it, and large sorts should stay in memory.

The computation between two fetches may take longer than a transaction may be idle.
"""


class FigureBasis(NamedTuple):
    """How often the time up to the end of a period was restated, and when last.

    `settled` says whether every clock has passed the end.
    """

    stamp: int
    restated_at: datetime | None
    settled: bool


class StoredFigure(NamedTuple):
    """A stored value as JSON, when it was computed, and the clock of the last restatement."""

    value: str
    computed_at: datetime
    recomputed_at: datetime | None


class FigureHeadline(NamedTuple):
    """The headline of a value, in money with its currency."""

    value: float | None
    currency: str | None
    computed_at: datetime
    recomputed_at: datetime | None


class HistoryState(NamedTuple):
    """The day that all clocks have come to, and how often any day has been restated."""

    day: date
    stamp: int


class FigureKey(NamedTuple):
    """What a value is stored under: the key of the figure, the period, and the kind of account."""

    figure: str
    begins: date
    ends: date
    account: Account | None


@asynccontextmanager
async def snapshot(connection: Tx) -> AsyncIterator[Tx]:
    """All that is read inside belongs to one instant, and nothing can be written."""
    async with db.snapshot(connection, _SNAPSHOT_SETTINGS):
        yield connection


async def basis(tx: Tx, period: Period) -> FigureBasis:
    """The state of the time before the end of a period."""
    row = await tx.fetchrow(_BASIS, period.ends)
    assert row is not None  # noqa: S101  (an aggregate)
    return FigureBasis(row["stamp"], row["at"], period.until <= (row["clock"] or CLOCK_START))


async def find(
    pool: Pool, key: str, period: Period, account: Account | None
) -> StoredFigure | None:
    """A stored value that is current."""
    row = await pool.fetchrow(_FIND, period.ends, key, period.begins, account or "", now())
    return StoredFigure(*row) if row else None


async def headlines(
    pool: Pool, keys: Sequence[str], periods: Sequence[Period], account: Account | None
) -> dict[tuple[str, date], FigureHeadline]:
    """The headlines of stored values that are current, by key and beginning."""
    begins = [period.begins for period in periods]
    ends = [period.ends for period in periods]
    rows = await pool.fetch(_HEADLINES, begins, ends, keys, account or "", now())
    return {(name, begin): FigureHeadline(*rest) for name, begin, *rest in rows}


async def store(
    connection: Tx, key: FigureKey, figure: StoredFigure, stamp: int, *, for_reader: bool
) -> None:
    """Store a value unless a later one is there; `for_reader` if a reader waits for it."""
    name, begins, ends, account = key
    asked_at = figure.computed_at if for_reader else None
    await connection.execute(
        _STORE, name, begins, ends, account or "", figure.value, stamp, figure.computed_at, asked_at
    )


async def history_state(pool: Pool) -> HistoryState:
    """How far the clocks are, and whether anything was restated."""
    row = await pool.fetchrow(_HISTORY_STATE)
    assert row is not None  # noqa: S101  (an aggregate)
    return HistoryState(row["day"] or CLOCK_START.date(), row["stamp"])


async def current_figures(pool: Pool, ends: Iterable[date]) -> set[FigureKey]:
    """Stored figures that are current, of periods that end on these days."""
    return {FigureKey(*row) for row in await pool.fetch(_CURRENT, list(ends))}


async def outdated_figures(pool: Pool, asked_after: datetime) -> list[FigureKey]:
    """Stored figures that are out of date and were read since then, the latest first."""
    return [FigureKey(*row) for row in await pool.fetch(_OUTDATED, asked_after)]


async def account_kinds(pool: Pool) -> list[Account]:
    """The kinds of accounts that there are."""
    return [row["account"] for row in await pool.fetch(_ACCOUNT_KINDS)]


async def delete_before(tx: Tx, before: datetime) -> None:
    """Delete values computed before an instant; they are computed again when read."""
    await tx.execute(_DELETE, before)


async def add_patterns(tx: Tx, patterns: Sequence[tuple[str, date]]) -> set[tuple[str, date]]:
    """Note complaint patterns by topic and Monday of the week; returns those that are new."""
    topics = [topic for topic, _ in patterns]
    weeks = [week for _, week in patterns]
    rows = await tx.fetch(_ADD_PATTERNS, topics, weeks)
    return {(row["topic"], row["week"]) for row in rows}
