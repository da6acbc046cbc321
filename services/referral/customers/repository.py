"""SQL of members and people: the rows to lock before a customer is changed, and who is merged."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.referral.domain.people import MergeDecision, People
from shared.database.columns import columns_of
from shared.database.connection import Pool, Tx
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
_DECISIONS: Final = """
WITH RECURSIVE up AS (
    SELECT unnest($1::text[]) AS customer
    UNION
    SELECT a.merged_into FROM up JOIN alias AS a USING (customer) WHERE a.merged_into IS NOT NULL
), down AS (
    SELECT customer FROM up
    UNION
    SELECT a.customer FROM down JOIN alias AS a ON a.merged_into = down.customer
)
SELECT a.* FROM down JOIN alias AS a USING (customer)
"""
_SAVE_DECISIONS: Final = """
INSERT INTO alias (customer, merged_into, time, source, event)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
ON CONFLICT (customer) DO UPDATE
SET merged_into = excluded.merged_into, time = excluded.time, source = excluded.source,
    event = excluded.event
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


async def load_decisions(source: Pool | Tx, ids: Collection[str]) -> dict[str, MergeDecision]:
    """The decisions that hold on these ids and on all that are connected with them."""
    return {row["customer"]: _decision(row) for row in await source.fetch(_DECISIONS, list(ids))}


async def save_decisions(tx: Tx, decisions: Mapping[str, MergeDecision]) -> None:
    """Store new decisions, by the id that they are about."""
    rows = [(id, d.into, d.time, d.source, d.event) for id, d in decisions.items()]
    await tx.execute(_SAVE_DECISIONS, *columns_of(rows, 5))


async def load_people(source: Pool | Tx, ids: Collection[str]) -> People:
    """Who these ids are."""
    return People(await load_decisions(source, ids))


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


def _decision(row: Any) -> MergeDecision:
    return MergeDecision(row["time"], row["source"], row["event"], row["merged_into"])
