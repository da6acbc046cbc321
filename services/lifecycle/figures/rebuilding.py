"""The daily counts of transitions, recounted: are they what the transitions come to, and if not, they become so."""

from typing import Final, NamedTuple

from services.lifecycle.figures.store import snapshot
from shared.db import Pool, transaction

PATIENCE_S: Final = 600.0
"""All transitions are read."""

_DIFFERING: Final = """
counted AS (
    SELECT (t.occurred_at AT TIME ZONE 'UTC')::date AS day, coalesce(t.from_phase, '') AS from_phase, t.to_phase,
        coalesce(c.account, '') AS account, c.partition, count(*) AS n
    FROM transition AS t JOIN customer AS c USING (customer) WHERE t.withdrawn IS NULL GROUP BY 1, 2, 3, 4, 5
),
differing AS (
    SELECT day, from_phase, to_phase, account, partition, coalesce(counted.n, 0) AS n
    FROM counted FULL JOIN flow USING (day, from_phase, to_phase, account, partition)
    WHERE coalesce(counted.n, 0) <> coalesce(flow.n, 0)
)
"""
_CHECK: Final = f"""
WITH {_DIFFERING} SELECT (SELECT count(*) FROM counted) AS rows, (SELECT count(*) FROM differing) AS differing
"""  # noqa: S608  (constants)
_LOCK: Final = "LOCK TABLE flow IN SHARE ROW EXCLUSIVE MODE"
"""Readers go on; who writes has been waited for, or waits, so that no transition is counted twice or not at all."""
_MEND: Final = f"""
WITH {_DIFFERING},
mended AS (
    INSERT INTO flow (day, from_phase, to_phase, account, partition, n)
    SELECT day, from_phase, to_phase, account, partition, n FROM differing
    ON CONFLICT (day, from_phase, to_phase, account, partition) DO UPDATE SET n = excluded.n
),
noted AS (
    INSERT INTO restated (partition, day, at)
    SELECT d.partition, d.day, coalesce(max(o.clock), max(d.day)::timestamp AT TIME ZONE 'UTC')
    FROM differing AS d LEFT JOIN owner AS o USING (partition) GROUP BY 1, 2
    ON CONFLICT (partition, day) DO UPDATE SET number = restated.number + 1, at = excluded.at
)
SELECT (SELECT count(*) FROM counted) AS rows, (SELECT count(*) FROM differing) AS differing
"""  # noqa: S608  (constants)
_SWEEP: Final = "DELETE FROM flow WHERE n = 0"
_FORGET: Final = "WITH gone AS (DELETE FROM figure RETURNING 1) SELECT count(*) FROM gone"


class Counts(NamedTuple):
    """Rows that the transitions come to, how many of the stored ones differed, and stored figures dropped."""

    rows: int
    differing: int
    dropped: int = 0


async def check(pool: Pool) -> Counts:
    """Compare, and change nothing."""
    async with pool.acquire() as connection, snapshot(connection) as tx:
        row = await tx.fetchrow(_CHECK, timeout=PATIENCE_S)
    assert row is not None  # noqa: S101  (an aggregate)
    return Counts(*row)


async def rebuild(pool: Pool) -> Counts:
    """Mend the rows that differ and drop all stored figures, while nobody else writes counts."""
    async with pool.acquire() as connection, transaction(connection) as tx:
        await tx.execute(_LOCK, timeout=PATIENCE_S)
        row = await tx.fetchrow(_MEND, timeout=PATIENCE_S)
        assert row is not None  # noqa: S101  (an aggregate)
        await tx.execute(_SWEEP, timeout=PATIENCE_S)
        return Counts(row["rows"], row["differing"], await tx.fetchval(_FORGET))
