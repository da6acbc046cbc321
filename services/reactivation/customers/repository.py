"""SQL of customers who have ever lapsed: their lock, and why they are parked."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from shared.database.columns import execute_rows
from shared.database.connection import Tx

_ADD: Final = """
INSERT INTO customer (customer, partition) SELECT * FROM unnest($1::text[], $2::int[])
ON CONFLICT DO NOTHING
"""
_LOCK: Final = """
SELECT customer, parked FROM customer
WHERE customer = ANY($1::text[]) ORDER BY customer FOR UPDATE
"""
_PARK: Final = """
UPDATE customer AS c SET parked = p.reason
FROM unnest($1::text[], $2::text[]) AS p(customer, reason)
WHERE c.customer = p.customer
"""
_FIND: Final = "SELECT partition, parked FROM customer WHERE customer = $1"


class LapsedCustomer(NamedTuple):
    """A customer's partition, and why the customer is parked, or None."""

    partition: int
    parked: str | None


async def lock_customers(
    tx: Tx, customers: Iterable[str], *, new: Mapping[str, int] | None = None
) -> dict[str, str | None]:
    """Lock those of the customers who have ever lapsed, and the new ones, in the order of ids.

    `new` has partitions by customer. Returns why each locked customer is parked, or None.
    """
    wanted = {*customers, *(new or ())}
    if new:
        await execute_rows(tx, _ADD, sorted(new.items()))
    rows = await tx.fetch(_LOCK, sorted(wanted)) if wanted else []
    return {row["customer"]: row["parked"] for row in rows}


async def park_customers(tx: Tx, reasons: Mapping[str, str | None]) -> None:
    """Park locked customers for a reason, or, for None, release them."""
    await execute_rows(tx, _PARK, list(reasons.items()))


async def find_customer(tx: Tx, customer: str) -> LapsedCustomer | None:
    """A customer who has lapsed at least once."""
    row = await tx.fetchrow(_FIND, customer)
    return LapsedCustomer(*row) if row else None
