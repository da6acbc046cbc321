"""Reads of the lists: customers by id, clocks, and who has acted when."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from services.lifecycle.codecs import decode_customer
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.events import ACTION_TYPES
from shared.database import connection as db
from shared.database.connection import Pool, Tx, retryable_errors

COLUMNS: Final = (
    "c.customer, c.partition, c.version, c.key, c.parked, c.merged_into,"
    " c.value, c.currency, c.state"
)
"""Of the table `customer`, named c: what `ListedCustomer.of` takes."""
BY_ID: Final = f"SELECT {COLUMNS} FROM customer AS c WHERE c.customer = ANY($1::text[])"  # noqa: S608  (constants)
ACTED: Final = """
SELECT EXISTS (
    SELECT FROM event AS e
    WHERE e.customer_key = w.key AND e.type = ANY($4::text[])
        AND e.time > w.since AND e.time <= w.until
) AS acted
FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[])
    WITH ORDINALITY AS w(key, since, until, n)
ORDER BY w.n
"""
_CLOCKS: Final = "SELECT partition, clock FROM owner"
_SNAPSHOT_SETTINGS: Final = "SET LOCAL idle_in_transaction_session_timeout = '2min'"
"""The reader of an export may be slow."""


class ListedCustomer(NamedTuple):
    """A customer as stored.

    `value` is in minor units of `currency`, which is None before the first order.
    """

    customer: str
    partition: int
    version: int
    key: int
    parked: str | None
    merged_into: str | None
    value: int
    currency: str | None
    state: Customer

    @classmethod
    def of(cls, row: Iterable[Any]) -> Self:
        """A row of `COLUMNS`."""
        *columns, state = row
        return cls._make([*columns, decode_customer(state)])


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Tx]:
    """Everything read inside is as of one instant, and nothing can be written."""
    with retryable_errors():
        async with pool.acquire() as connection, db.snapshot(connection, _SNAPSHOT_SETTINGS):
            yield connection


async def clocks_by_partition(tx: Tx) -> dict[int, datetime]:
    """The instant up to which each partition has been judged."""
    return {row["partition"]: row["clock"] for row in await tx.fetch(_CLOCKS)}


async def find_customers(tx: Tx, customers: Sequence[str]) -> dict[str, ListedCustomer]:
    """The customers of these ids that are stored, merged ones included."""
    rows = await tx.fetch(BY_ID, customers)
    return {row["customer"]: ListedCustomer.of(row.values()) for row in rows}


async def have_acted(
    tx: Tx, keys: Sequence[int], since: Sequence[datetime], until: Sequence[datetime]
) -> list[bool]:
    """Whether each customer has acted after its `since` and no later than its `until`."""
    return [row["acted"] for row in await tx.fetch(ACTED, keys, since, until, ACTION_TYPES)]
