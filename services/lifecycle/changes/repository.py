"""The table of changes: written by the relay after Kafka has acknowledged, read, and swept."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.lifecycle.changes.positions import Change, ChangeRange, Extent
from shared.database.connection import Pool

ARCHIVE: Final = """
WITH place AS MATERIALIZED (
    SELECT partition, at, greatest(
        0,
        (SELECT max(change.seq) FROM change WHERE change.partition = ours.partition),
        (SELECT change_floor.seq FROM change_floor WHERE change_floor.partition = ours.partition)
    ) AS head FROM ours
)
INSERT INTO change (partition, seq, customer, recorded_at, body)
SELECT partition,
    head + row_number() OVER (PARTITION BY partition ORDER BY gone.seq),
    gone.key,
    at,
    gone.body
FROM gone JOIN place USING (partition)
WHERE gone.topic = 'phase-transitions.v1' AND gone.key IS NOT NULL
"""
"""For the relay (shared/stream/outgoing/relay.py). Ticks have no key.

Why numbers given here have no gaps: docs/decisions/0020.
"""

_EXTENT: Final = """
SELECT coalesce(change_floor.seq, 0) AS floor, greatest(
    0,
    change_floor.seq,
    (SELECT max(change.seq) FROM change WHERE change.partition = place.partition)
) AS head
FROM generate_series(0, $1::int - 1) AS place(partition) LEFT JOIN change_floor USING (partition)
ORDER BY partition
"""
_READ: Final = """
SELECT span.partition, found.seq, found.body
FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS span(partition, after, until)
CROSS JOIN LATERAL (
    SELECT seq, body FROM change
    WHERE change.partition = span.partition AND seq > span.after AND seq <= span.until
    ORDER BY seq LIMIT $4
) AS found
ORDER BY span.partition, found.seq
"""
_OLD: Final = """
SELECT place.partition FROM generate_series(0, $1::int - 1) AS place(partition)
CROSS JOIN LATERAL (
    SELECT recorded_at FROM change WHERE change.partition = place.partition ORDER BY seq LIMIT 1
) AS first
WHERE first.recorded_at < $2 ORDER BY place.partition
"""
_DELETE: Final = """
WITH bound AS (
    SELECT max(seq) AS seq
    FROM (SELECT seq, recorded_at FROM change WHERE partition = $1 ORDER BY seq LIMIT $3) AS first
    WHERE recorded_at < $2
), marked AS (
    INSERT INTO change_floor (partition, seq) SELECT $1, seq FROM bound WHERE seq IS NOT NULL
    ON CONFLICT (partition) DO UPDATE SET seq = greatest(change_floor.seq, excluded.seq)
)
DELETE FROM change USING bound WHERE partition = $1 AND change.seq <= bound.seq
"""


async def extent(pool: Pool, partitions: int) -> Extent:
    """What there is to read, as of one snapshot."""
    rows = await pool.fetch(_EXTENT, partitions)
    return Extent(tuple(row["floor"] for row in rows), tuple(row["head"] for row in rows))


async def read(pool: Pool, parts: Sequence[ChangeRange]) -> list[Change]:
    """The changes in these ranges that exist, by partition and number."""
    partitions, after, until = (list(column) for column in zip(*parts, strict=True))
    most = max(part.until - part.after for part in parts)
    return [Change(*row) for row in await pool.fetch(_READ, partitions, after, until, most)]


async def partitions_with_old(pool: Pool, partitions: int, before: datetime) -> list[int]:
    """The partitions whose first change was recorded before an instant."""
    return [row["partition"] for row in await pool.fetch(_OLD, partitions, before)]


async def delete(pool: Pool, partition: int, before: datetime, most: int) -> int:
    """Delete the first changes of a partition, if they are old; returns how many.

    Marks where the rest begins.
    """
    status: str = await pool.execute(_DELETE, partition, before, most)
    return int(status.removeprefix("DELETE "))
