"""The daily counts, recounted: are they what customers have gone through, and if not, they become so."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.lifecycle.domain.phase_models import LASTING_FACTS
from services.lifecycle.figures.repository import snapshot
from shared.database.connection import Pool, Tx, transaction

PATIENCE_S: Final = 600.0
"""All transitions are read."""

_FLOWS: Final = """
SELECT (t.occurred_at AT TIME ZONE 'UTC')::date AS day, coalesce(t.from_phase, '') AS from_phase, t.to_phase, t.rule,
    coalesce(c.account, '') AS account, c.partition, count(*) AS n
FROM transition AS t JOIN customer AS c USING (customer) WHERE t.withdrawn IS NULL GROUP BY 1, 2, 3, 4, 5, 6
"""
_LASTING: Final = ", ".join(f"('{phase}', '{fact}')" for phase, fact in sorted(LASTING_FACTS))
_TALLIES: Final = f"""
WITH stay AS (
    SELECT customer, to_phase, occurred_at AS begins,
        lead(occurred_at) OVER (PARTITION BY customer ORDER BY position) AS ends
    FROM transition WHERE withdrawn IS NULL
)
SELECT (t.occurred_at AT TIME ZONE 'UTC')::date AS day, 'cause' AS what, split_part(cause, ':', 1) AS name,
    c.partition, count(*) AS n
FROM transition AS t JOIN customer AS c USING (customer)
CROSS JOIN jsonb_array_elements_text(convert_from(t.body, 'UTF8')::jsonb -> 'profile' -> 'causes') AS cause
WHERE t.withdrawn IS NULL AND t.to_phase = 'at_risk' GROUP BY 1, 2, 3, 4
UNION ALL
SELECT (h.at AT TIME ZONE 'UTC')::date, 'hint', h.name, c.partition, count(*)
FROM hint AS h JOIN customer AS c USING (customer) GROUP BY 1, 2, 3, 4
UNION ALL
SELECT (told.at AT TIME ZONE 'UTC')::date, fact, asked_in, c.partition, sum(told.n)
FROM stay JOIN (VALUES {_LASTING}) AS asked(asked_in, fact) ON asked_in = to_phase
JOIN customer AS c USING (customer)
CROSS JOIN LATERAL (SELECT CASE fact WHEN 'signed_up' THEN c.signed_up_at ELSE c.activated_at END AS since) AS held
CROSS JOIN LATERAL (VALUES (greatest(held.since, begins), 1), (ends, -1)) AS told(at, n)
WHERE (held.since < ends OR (held.since IS NOT NULL AND ends IS NULL)) AND told.at IS NOT NULL
GROUP BY 1, 2, 3, 4 HAVING sum(told.n) <> 0
"""  # noqa: S608  (constants)
_NOTED: Final = """,
noted AS (
    INSERT INTO restated (partition, day, at)
    SELECT d.partition, d.day, coalesce(max(o.clock), max(d.day)::timestamp AT TIME ZONE 'UTC')
    FROM differing AS d LEFT JOIN owner AS o USING (partition) GROUP BY 1, 2
    ON CONFLICT (partition, day) DO UPDATE SET number = restated.number + 1, at = excluded.at
)
"""
"""Figures are computed from flows: those of days that differed are not true any more."""
_LOCK: Final = "LOCK TABLE flow, tally IN SHARE ROW EXCLUSIVE MODE"
"""Readers go on; who writes has been waited for, or waits, so that no transition is counted twice or not at all."""
_SWEEP: Final = "DELETE FROM flow WHERE n = 0; DELETE FROM tally WHERE n = 0"
_FORGET: Final = "WITH gone AS (DELETE FROM figure RETURNING 1) SELECT count(*) FROM gone"


class RecountResult(NamedTuple):
    """Rows that it should come to, how many of the stored ones differed, and stored figures dropped."""

    rows: int
    differing: int
    dropped: int = 0


class _Table(NamedTuple):
    """A table of daily counts: the columns that they are counted by, what they should be, what a change entails."""

    name: str
    columns: str
    counted: str
    noted: str = ""

    @property
    def differing(self) -> str:
        """The rows that are not what they should be, with what that is."""
        return f"""
counted AS ({self.counted}),
differing AS (
    SELECT {self.columns}, coalesce(counted.n, 0) AS n FROM counted FULL JOIN {self.name} USING ({self.columns})
    WHERE coalesce(counted.n, 0) <> coalesce({self.name}.n, 0)
)"""  # noqa: S608  (constants)

    @property
    def mended(self) -> str:
        """These become what they should be."""
        return f""",
mended AS (
    INSERT INTO {self.name} ({self.columns}, n) SELECT {self.columns}, n FROM differing
    ON CONFLICT ({self.columns}) DO UPDATE SET n = excluded.n
){self.noted}"""  # noqa: S608  (constants)

    async def recount(self, tx: Tx, *, mend: bool = False) -> RecountResult:
        """Compare, and perhaps mend."""
        steps = self.differing + (self.mended if mend else "")
        counts = "(SELECT count(*) FROM counted), (SELECT count(*) FROM differing)"
        row = await tx.fetchrow(f"WITH {steps} SELECT {counts}", timeout=PATIENCE_S)
        assert row is not None  # noqa: S101  (an aggregate)
        return RecountResult(*row)


_TABLES: Final = (
    _Table("flow", "day, from_phase, to_phase, rule, account, partition", _FLOWS, _NOTED),
    _Table("tally", "day, what, name, partition", _TALLIES),
)


async def check(pool: Pool) -> RecountResult:
    """Compare, and change nothing."""
    async with pool.acquire() as connection, snapshot(connection) as tx:
        return _sum([await table.recount(tx) for table in _TABLES])


async def rebuild(pool: Pool) -> RecountResult:
    """Mend the rows that differ and drop all stored figures, while nobody else writes counts."""
    async with pool.acquire() as connection, transaction(connection) as tx:
        await tx.execute(_LOCK, timeout=PATIENCE_S)
        found = await mend(tx)
        await tx.execute(_SWEEP, timeout=PATIENCE_S)
        return found._replace(dropped=await tx.fetchval(_FORGET))


async def mend(tx: Tx) -> RecountResult:
    """Make the rows that differ what they should be."""
    return _sum([await table.recount(tx, mend=True) for table in _TABLES])


def _sum(found: Sequence[RecountResult]) -> RecountResult:
    return RecountResult(sum(one.rows for one in found), sum(one.differing for one in found))
