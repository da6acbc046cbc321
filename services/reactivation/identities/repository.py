"""SQL of merges and unmerges: who has become whom."""

from collections.abc import Collection, Sequence
from typing import Final

from shared.database.columns import execute_rows
from shared.database.connection import Pool, Tx
from shared.identities import Merge
from shared.ids import event_hash

_ADD: Final = """
INSERT INTO merge (customer, event_key, time, source, event_id, into_id)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[],
                     $6::text[])
ON CONFLICT DO NOTHING
"""
_ANY: Final = "SELECT EXISTS (SELECT FROM merge)"
# Of all ids that merges connect with the given ones, in whatever direction.
_CONNECTED: Final = """
WITH RECURSIVE connected (id) AS (
    SELECT unnest($1::text[])
    UNION
    SELECT other.id FROM connected, LATERAL (
        SELECT into_id AS id FROM merge
        WHERE customer = connected.id AND into_id IS NOT NULL
        UNION ALL
        SELECT customer FROM merge WHERE into_id = connected.id
    ) AS other
)
SELECT m.customer, m.into_id, m.time, m.source, m.event_id
FROM connected JOIN merge AS m ON m.customer = connected.id
"""


async def add_merges(tx: Tx, merges: Sequence[Merge]) -> None:
    """Keep merges and unmerges; one that is known stays as it was."""
    rows = [
        (m.customer, event_hash(m.source, m.id), m.time, m.source, m.id, m.into) for m in merges
    ]
    await execute_rows(tx, _ADD, rows)


async def load_merges(reader: Tx | Pool, ids: Collection[str]) -> list[Merge]:
    """All merges and unmerges of the ids, and of the ids that these connect with them."""
    if not ids or not await reader.fetchval(_ANY):
        return []
    return [Merge(*row) for row in await reader.fetch(_CONNECTED, list(ids))]
