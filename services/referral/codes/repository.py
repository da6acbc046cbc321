"""SQL of codes: which customer has which, and who named one before it was issued."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from shared.database.connection import Pool, Tx

_FIND: Final = """
SELECT code, issued_at FROM code WHERE customer = ANY($2::text[])
ORDER BY (customer = $1) DESC, issued_at, code LIMIT 1
"""
_LOAD: Final = "SELECT customer, code FROM code WHERE customer = ANY($1::text[])"
_NAME: Final = "INSERT INTO code (code) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
_LOCK: Final = """
SELECT FROM code WHERE code = ANY($1::text[]) AND customer IS NULL ORDER BY code FOR UPDATE
"""
_OWNER: Final = "SELECT customer FROM code WHERE code = $1"
_ISSUE: Final = """
UPDATE code SET customer = new.customer, issued_at = new.issued_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS new(customer, code, issued_at)
WHERE code.code = new.code AND code.customer IS NULL RETURNING code.customer, code.code
"""
_WAITING: Final = """
SELECT DISTINCT referee, code FROM claim
WHERE code = ANY($1::text[]) AND recommender IS NULL ORDER BY referee
"""
_LOAD_PENDING: Final = """
SELECT customer, since FROM pending_advocate WHERE customer = ANY($1::text[])
"""
_DROP_PENDING: Final = "DELETE FROM pending_advocate WHERE customer = ANY($1::text[])"
_ADD_PENDING: Final = """
INSERT INTO pending_advocate (customer, since) SELECT * FROM unnest($1::text[], $2::timestamptz[])
ON CONFLICT DO NOTHING
"""


class IssuedCode(NamedTuple):
    """A customer's code and when it was issued."""

    code: str
    issued_at: datetime


async def lock_codes(tx: Tx, codes: Collection[str]) -> None:
    """Lock those of the codes that nobody has, in their order; after the customers' locks.

    Whoever issues a code and whoever stores that it was named lock it first: else each could miss
    what the other is about to commit. A code that is issued needs no lock, for it stays as it is.
    """
    ordered = sorted(codes)
    await tx.execute(_NAME, ordered)
    await tx.execute(_LOCK, ordered)


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


async def assign_codes(
    tx: Tx, codes: Mapping[str, str], issued_at: Mapping[str, datetime]
) -> dict[str, str]:
    """Give locked codes to customers; returns those that no other customer had already."""
    times = [issued_at[customer] for customer in codes]
    rows = await tx.fetch(_ISSUE, list(codes), list(codes.values()), times)
    return {row["customer"]: row["code"] for row in rows}


async def load_waiting_referees(tx: Tx, codes: Collection[str]) -> list[tuple[str, str]]:
    """Referees who named one of these codes before it was issued, each with the code."""
    return [(row["referee"], row["code"]) for row in await tx.fetch(_WAITING, list(codes))]


async def load_pending_advocates(tx: Tx, customers: Collection[str]) -> dict[str, datetime]:
    """Who of the customers is an advocate, and since when, once a correction is complete."""
    rows = await tx.fetch(_LOAD_PENDING, list(customers))
    return {row["customer"]: row["since"] for row in rows}


async def save_pending_advocates(
    tx: Tx, completed: Collection[str], pending: Mapping[str, datetime]
) -> None:
    """Drop those whose correction is complete, then keep those of the next one."""
    if completed:
        await tx.execute(_DROP_PENDING, list(completed))
    if pending:
        await tx.execute(_ADD_PENDING, list(pending), list(pending.values()))
