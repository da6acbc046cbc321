"""SQL of members: the row to lock before a customer is changed, and why a customer is parked."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from shared.database.connection import Pool, Tx
from shared.stream.log.parked_customers import count_parked

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


@dataclass(frozen=True, slots=True)
class Member:
    """A locked customer; `parked` is the reason for not judging this customer now, or None."""

    has_claims: bool
    parked: str | None


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
