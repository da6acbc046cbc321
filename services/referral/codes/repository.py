"""SQL of codes: which customer has which, and who named one before it was issued."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from shared.database.connection import Pool, Tx

_DIRECTORY: Final = 0x52454645
_FIND: Final = """
SELECT code, issued_at FROM code WHERE customer = ANY($2::text[])
ORDER BY (customer = $1) DESC, issued_at, code LIMIT 1
"""
_LOAD: Final = "SELECT customer, code FROM code WHERE customer = ANY($1::text[])"
_OWNER: Final = "SELECT customer FROM code WHERE code = $1"
_ADD: Final = """
INSERT INTO code (customer, code, issued_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])
ON CONFLICT (code) DO NOTHING RETURNING customer, code
"""
_WAITING: Final = """
SELECT DISTINCT referee, code FROM claim
WHERE code = ANY($1::text[]) AND recommender IS NULL ORDER BY referee
"""


class IssuedCode(NamedTuple):
    """A customer's code and when it was issued."""

    code: str
    issued_at: datetime


async def lock_codes(tx: Tx, *, to_issue: bool) -> None:
    """Keep codes from being issued while others look one up, so that no claim misses a new code.

    Take this lock after the customers' locks.
    """
    function = "pg_advisory_xact_lock" if to_issue else "pg_advisory_xact_lock_shared"
    await tx.execute(f"SELECT {function}($1)", _DIRECTORY)


async def find_code(source: Pool | Tx, customer: str, person: Collection[str]) -> IssuedCode | None:
    """The code of a customer; else the oldest of the ids that are the same person."""
    row = await source.fetchrow(_FIND, customer, list(person))
    return IssuedCode(row["code"], row["issued_at"]) if row else None


async def load_codes(tx: Tx, customers: Collection[str]) -> dict[str, str]:
    """The codes of those customers who have one."""
    return {row["customer"]: row["code"] for row in await tx.fetch(_LOAD, list(customers))}


async def find_owner(tx: Tx, code: str) -> str | None:
    """The customer who has this code."""
    owner: str | None = await tx.fetchval(_OWNER, code)
    return owner


async def add_codes(
    tx: Tx, codes: Mapping[str, str], issued_at: Mapping[str, datetime]
) -> dict[str, str]:
    """Store codes by customer; returns those that no other customer had already."""
    times = [issued_at[customer] for customer in codes]
    rows = await tx.fetch(_ADD, list(codes), list(codes.values()), times)
    return {row["customer"]: row["code"] for row in rows}


async def load_waiting_referees(tx: Tx, codes: Collection[str]) -> list[tuple[str, str]]:
    """Referees who named one of these codes before it was issued, each with the code."""
    return [(row["referee"], row["code"]) for row in await tx.fetch(_WAITING, list(codes))]
