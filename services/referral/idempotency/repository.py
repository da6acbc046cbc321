"""SQL of Idempotency-Keys: the first request that came with each."""

from typing import Final, NamedTuple
from uuid import UUID

from shared.database.connection import Tx

_ADD: Final = """
INSERT INTO idempotency (key, request, claim_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
_FIND: Final = "SELECT request, claim_id FROM idempotency WHERE key = $1"


class FirstRequest(NamedTuple):
    """The request that came first with a key, and the claim that it made, if it made one."""

    request: str
    claim_id: UUID | None


async def add_request(tx: Tx, key: str, request: str, claim_id: UUID | None) -> FirstRequest | None:
    """Store a request under its key; returns the one that came before with the key, if any."""
    if await tx.execute(_ADD, key, request, claim_id) == "INSERT 0 1":
        return None
    return await find_request(tx, key)


async def find_request(tx: Tx, key: str) -> FirstRequest | None:
    """The request that came first with a key."""
    row = await tx.fetchrow(_FIND, key)
    return FirstRequest(row["request"], row["claim_id"]) if row else None
