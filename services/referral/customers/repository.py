"""SQL of members and people: the rows to lock before a customer is changed, and who is merged."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.database.columns import execute_rows
from shared.database.connection import Pool, Tx
from shared.identities import Identities, Merge
from shared.ids import event_hash
from shared.stream.log.parked_customers import count_parked

_PEOPLE_LOCK: Final = 0x50454F50
_ADD: Final = "INSERT INTO member (customer) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
_LOCK: Final = """
SELECT customer, has_claims, parked FROM member
WHERE customer = ANY($1::text[]) ORDER BY customer FOR UPDATE
"""
_PARK: Final = """
UPDATE member AS m SET parked = p.reason
FROM unnest($1::text[], $2::text[]) AS p(customer, reason)
WHERE m.customer = p.customer
"""
_RELEASE: Final = """
UPDATE member SET parked = NULL WHERE customer = ANY($1::text[]) AND parked IS NOT NULL
"""
_PARKED: Final = "SELECT parked FROM member WHERE customer = $1"
_MERGES: Final = """
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
_ADD_MERGES: Final = """
INSERT INTO merge (customer, event_key, time, source, event_id, into_id)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[],
                     $6::text[])
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Member:
    """A locked customer; `parked` is the reason for not judging this customer now, or None."""

    has_claims: bool
    parked: str | None


async def lock_people(tx: Tx, *, to_change: bool) -> None:
    """Keep ids from being merged or unmerged while others rely on who is who.

    This is the first lock of every transaction that judges, posts or issues: members and codes
    come after it.
    """
    function = "pg_advisory_xact_lock" if to_change else "pg_advisory_xact_lock_shared"
    await tx.execute(f"SELECT {function}($1)", _PEOPLE_LOCK)


async def load_merges(source: Pool | Tx, ids: Collection[str]) -> list[Merge]:
    """All merges and unmerges of the ids, and of the ids that these connect with them."""
    return [Merge(*row) for row in await source.fetch(_MERGES, list(ids))]


async def add_merges(tx: Tx, merges: Sequence[Merge]) -> None:
    """Keep merges and unmerges; one that is known stays as it was."""
    rows = [
        (m.customer, event_hash(m.source, m.id), m.time, m.source, m.id, m.into) for m in merges
    ]
    await execute_rows(tx, _ADD_MERGES, rows)


async def load_people(source: Pool | Tx, ids: Collection[str]) -> Identities:
    """Who these ids are."""
    return Identities(await load_merges(source, ids))


async def lock_members(tx: Tx, customers: Collection[str]) -> dict[str, Member]:
    """Lock customers in the order of their ids; add those not known yet."""
    ordered = sorted(customers)
    await tx.execute(_ADD, ordered)
    rows = await tx.fetch(_LOCK, ordered)
    return {row["customer"]: Member(row["has_claims"], row["parked"]) for row in rows}


async def park_members(tx: Tx, reasons: Mapping[str, str]) -> None:
    """Stop judging these customers until an operator releases them."""
    await tx.execute(_PARK, list(reasons), list(reasons.values()))
    count_parked(len(reasons))


async def release_members(tx: Tx, customers: Collection[str]) -> None:
    """Judge parked customers again."""
    await tx.execute(_RELEASE, list(customers))


async def find_parked(source: Pool | Tx, customer: str) -> str | None:
    """Why a customer is parked; None if not."""
    reason: str | None = await source.fetchval(_PARKED, customer)
    return reason
