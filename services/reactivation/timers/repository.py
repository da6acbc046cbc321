"""SQL of timers: the next deadline of each customer who has a running case."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from shared.database.columns import columns_of, execute_rows
from shared.database.connection import Tx
from shared.stream.batch import DueSpan

_SET: Final = """
INSERT INTO timer (customer, partition, due_at)
SELECT * FROM unnest($1::text[], $2::int[], $3::timestamptz[])
ON CONFLICT (customer) DO UPDATE SET due_at = excluded.due_at
"""
_CLEAR: Final = "DELETE FROM timer WHERE customer = ANY($1::text[])"
_DUE: Final = """
SELECT t.customer, t.partition
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS p(partition, after, until)
CROSS JOIN LATERAL (
    SELECT timer.customer, timer.partition FROM timer JOIN customer USING (customer)
    WHERE timer.partition = p.partition AND due_at > p.after AND due_at <= p.until
      AND parked IS NULL
    ORDER BY due_at LIMIT $4
) AS t
"""


class Timer(NamedTuple):
    """A customer's deadline, and the partition on whose clock it passes."""

    customer: str
    partition: int
    due_at: datetime | None


async def find_due(reader: Tx, spans: Sequence[DueSpan], limit: int) -> list[tuple[str, int]]:
    """Customers who have a deadline in their partition's span, each with the partition.

    At most `limit` of each partition; parked customers are left out.
    """
    if not spans:
        return []
    rows = await reader.fetch(_DUE, *columns_of(spans, 3), limit)
    return [(row["customer"], row["partition"]) for row in rows]


async def set_timers(tx: Tx, timers: Sequence[Timer]) -> None:
    """Set the timers of customers, and move those that are set already."""
    await execute_rows(tx, _SET, timers)


async def clear_timers(tx: Tx, customers: Collection[str]) -> None:
    """Remove the timers of customers."""
    if customers:
        await tx.execute(_CLEAR, list(customers))
