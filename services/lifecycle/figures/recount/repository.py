"""SQL that recounts the daily counts from what customers have gone through, and mends them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.lifecycle.domain.phase_models import LASTING_FACTS
from shared.database.connection import Tx

PATIENCE_S: Final = 600.0
"""All transitions are read."""

_FLOWS: Final = """
SELECT (t.occurred_at AT TIME ZONE 'UTC')::date AS day,
    coalesce(t.from_phase, '') AS from_phase,
    t.to_phase,
    t.rule,
    coalesce(c.account, '') AS account,
    c.partition,
    count(*) AS n
FROM transition AS t JOIN customer AS c USING (customer)
WHERE t.withdrawn IS NULL GROUP BY 1, 2, 3, 4, 5, 6
"""
_LASTING: Final = ", ".join(f"('{phase}', '{fact}')" for phase, fact in sorted(LASTING_FACTS))
_TALLIES: Final = f"""
WITH stay AS (
    SELECT customer, to_phase, occurred_at AS begins,
        lead(occurred_at) OVER (PARTITION BY customer ORDER BY position) AS ends
    FROM transition WHERE withdrawn IS NULL
)
SELECT (t.occurred_at AT TIME ZONE 'UTC')::date AS day,
    'cause' AS what,
    split_part(cause, ':', 1) AS name,
    c.partition,
    count(*) AS n
FROM transition AS t JOIN customer AS c USING (customer)
CROSS JOIN jsonb_array_elements_text(
    convert_from(t.body, 'UTF8')::jsonb -> 'profile' -> 'causes'
) AS cause
WHERE t.withdrawn IS NULL AND t.to_phase = 'at_risk' GROUP BY 1, 2, 3, 4
UNION ALL
SELECT (h.at AT TIME ZONE 'UTC')::date, 'hint', h.name, c.partition, count(*)
FROM hint AS h JOIN customer AS c USING (customer) GROUP BY 1, 2, 3, 4
UNION ALL
SELECT (change.at AT TIME ZONE 'UTC')::date, fact, lasting.phase, c.partition, sum(change.n)
FROM stay JOIN (VALUES {_LASTING}) AS lasting(phase, fact) ON lasting.phase = to_phase
JOIN customer AS c USING (customer)
CROSS JOIN LATERAL (
    SELECT CASE fact WHEN 'signed_up' THEN c.signed_up_at ELSE c.activated_at END AS since
) AS true_for
CROSS JOIN LATERAL (
    VALUES (greatest(true_for.since, begins), 1), (ends, -1)
) AS change(at, n)
WHERE (true_for.since < ends OR (true_for.since IS NOT NULL AND ends IS NULL))
    AND change.at IS NOT NULL
GROUP BY 1, 2, 3, 4 HAVING sum(change.n) <> 0
"""  # noqa: S608  (constants)
_NOTED: Final = """,
noted AS (
    INSERT INTO restated (partition, day, at)
    SELECT d.partition, d.day,
        coalesce(max(o.clock), max(d.day)::timestamp AT TIME ZONE 'UTC')
    FROM differing AS d LEFT JOIN owner AS o USING (partition) GROUP BY 1, 2
    ON CONFLICT (partition, day) DO UPDATE SET number = restated.number + 1, at = excluded.at
)
"""
"""Figures are computed from `flow`: they are out of date if their days differed."""
_LOCK: Final = "LOCK TABLE flow, tally IN SHARE ROW EXCLUSIVE MODE"
"""Readers go on; writers wait, so that no transition is counted twice or left out."""
_DELETE_ZEROS: Final = "DELETE FROM flow WHERE n = 0; DELETE FROM tally WHERE n = 0"
_DELETE_FIGURES: Final = (
    "WITH deleted AS (DELETE FROM figure RETURNING 1) SELECT count(*) FROM deleted"
)


class RecountResult(NamedTuple):
    """The number of counts, how many of the stored ones differed, and stored figures dropped."""

    rows: int
    differing: int
    dropped: int = 0


class _CountedTable(NamedTuple):
    """A table of daily counts: its key, the query that recounts it, and what a change entails."""

    name: str
    columns: str
    counted: str
    noted: str = ""

    @property
    def differing(self) -> str:
        """The rows that differ, with the number that is right."""
        return f"""
counted AS ({self.counted}),
differing AS (
    SELECT {self.columns}, coalesce(counted.n, 0) AS n
    FROM counted FULL JOIN {self.name} USING ({self.columns})
    WHERE coalesce(counted.n, 0) <> coalesce({self.name}.n, 0)
)"""  # noqa: S608  (constants)

    @property
    def mended(self) -> str:
        """The same rows, corrected in the table."""
        return f""",
mended AS (
    INSERT INTO {self.name} ({self.columns}, n) SELECT {self.columns}, n FROM differing
    ON CONFLICT ({self.columns}) DO UPDATE SET n = excluded.n
){self.noted}"""  # noqa: S608  (constants)

    async def compare(self, tx: Tx) -> RecountResult:
        """Compare the stored counts with the recounted ones."""
        return await self._run(tx, self.differing)

    async def mend(self, tx: Tx) -> RecountResult:
        """Compare, and correct what differs."""
        return await self._run(tx, self.differing + self.mended)

    async def _run(self, tx: Tx, steps: str) -> RecountResult:
        counts = "(SELECT count(*) FROM counted), (SELECT count(*) FROM differing)"
        row = await tx.fetchrow(f"WITH {steps} SELECT {counts}", timeout=PATIENCE_S)
        assert row is not None  # noqa: S101  (an aggregate)
        return RecountResult(*row)


_TABLES: Final = (
    _CountedTable("flow", "day, from_phase, to_phase, rule, account, partition", _FLOWS, _NOTED),
    _CountedTable("tally", "day, what, name, partition", _TALLIES),
)


async def compare(tx: Tx) -> RecountResult:
    """Compare the daily counts with what customers have gone through."""
    return _sum([await table.compare(tx) for table in _TABLES])


async def mend(tx: Tx) -> RecountResult:
    """Correct the daily counts that differ from what customers have gone through."""
    return _sum([await table.mend(tx) for table in _TABLES])


async def lock(tx: Tx) -> None:
    """Keep others from writing counts until the transaction ends."""
    await tx.execute(f"SET LOCAL lock_timeout = '{PATIENCE_S:g}s'; {_LOCK}", timeout=PATIENCE_S)


async def delete_zeros(tx: Tx) -> None:
    """Delete counts that are 0."""
    await tx.execute(_DELETE_ZEROS, timeout=PATIENCE_S)


async def delete_figures(tx: Tx) -> int:
    """Delete all stored figures; returns how many."""
    deleted: int = await tx.fetchval(_DELETE_FIGURES)
    return deleted


def _sum(results: Sequence[RecountResult]) -> RecountResult:
    rows = sum(result.rows for result in results)
    return RecountResult(rows, sum(result.differing for result in results))
