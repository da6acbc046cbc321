"""How far re-arming has come, and which customers are next: read and written by the worker."""

from collections.abc import Mapping
from typing import Final

from services.lifecycle.batch.rows import RearmingPosition
from shared.database.columns import execute_rows
from shared.database.connection import Tx

_UNFINISHED: Final = """
SELECT p AS partition, r.target, r.edition, r.after, r.done, r.total, r.finished
FROM generate_series(0, $1::int - 1) AS p LEFT JOIN rearming AS r ON r.partition = p
WHERE r.finished IS NOT TRUE OR r.edition <> $2
"""
_COUNT_CUSTOMERS: Final = "SELECT partition, count(*) AS total FROM customer GROUP BY partition"
_CUSTOMERS_AFTER: Final = """
SELECT customer FROM customer WHERE partition = $1 AND customer > $2 ORDER BY customer LIMIT $3
"""
_ADVANCE: Final = """
INSERT INTO rearming AS r (partition, target, edition, after, done, total, finished)
SELECT * FROM unnest(
    $1::int[], $2::bigint[], $3::int[], $4::text[], $5::bigint[], $6::bigint[], $7::bool[]
)
ON CONFLICT (partition) DO UPDATE SET edition = excluded.edition, after = excluded.after,
    done = excluded.done, total = excluded.total, finished = excluded.finished
WHERE r.target = excluded.target
"""


async def unfinished_positions(
    connection: Tx, *, partitions: int, known: int, edition: int
) -> dict[int, RearmingPosition]:
    """Load how far re-arming has come, by partition, where it is not finished.

    It begins anew where it went by another edition of the rules, and where no activation was ever
    announced: there it goes up to the number `known`.
    """
    rows = await connection.fetch(_UNFINISHED, partitions, edition)
    positions = {
        row["partition"]: RearmingPosition(*row) for row in rows if row["edition"] == edition
    }
    outdated = [row for row in rows if row["edition"] != edition]
    if outdated:
        counted = await connection.fetch(_COUNT_CUSTOMERS)
        totals = {row["partition"]: row["total"] for row in counted}
        for partition, target, *_ in outdated:
            positions[partition] = RearmingPosition(
                partition,
                known if target is None else target,
                edition,
                after="",
                done=0,
                total=totals.get(partition, 0),
                finished=False,
            )
    return positions


async def customers_after(connection: Tx, partition: int, after: str, limit: int) -> list[str]:
    """List the next customers of a partition in the order of their ids."""
    rows = await connection.fetch(_CUSTOMERS_AFTER, partition, after, limit)
    return [row["customer"] for row in rows]


async def save_positions(tx: Tx, positions: Mapping[int, RearmingPosition]) -> None:
    """Save how far re-arming has come, by partition.

    Nothing is saved for a partition if another activation has come in between: its re-arming
    begins anew.
    """
    rows = [positions[partition] for partition in sorted(positions)]
    await execute_rows(tx, _ADVANCE, rows)
