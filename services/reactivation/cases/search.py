"""The SQL of what the API reads: pages of cases, one case, a code's case, counts."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from services.reactivation.cases.repository import CASE_COLUMNS, case_of
from services.reactivation.domain.cases import Case, State
from shared.clock import DAWN
from shared.database import connection as db
from shared.database.connection import Pool, Tx


class Customer(NamedTuple):
    """Where a customer lives, and why the customer's records wait in the dead letters, if they do."""

    partition: int
    parked: str | None


class CaseRow(NamedTuple):
    """A case, the clock of its partition, at which it stood like this, and whether its customer is parked."""

    case: Case
    partition: int
    as_of: datetime
    parked: bool


_STANDING: Final = f"""
SELECT {CASE_COLUMNS}, c.partition, w.clock, k.parked IS NOT NULL AS parked
FROM winback_case AS c JOIN offer AS o ON o.case_id = c.id JOIN customer AS k ON k.customer = c.customer
LEFT JOIN owner AS w ON w.partition = c.partition
"""  # noqa: S608
_BY_ID: Final = f"{_STANDING} WHERE c.id = $1"
_BY_CODE: Final = f"{_STANDING} WHERE o.code = $1"
_NEWEST: Final = "ORDER BY c.opened_at DESC, c.id DESC LIMIT $1"
_CUSTOMER: Final = "SELECT partition, parked FROM customer WHERE customer = $1"
_CLOCK: Final = "SELECT min(clock) FROM owner"
_COUNT_CASES: Final = "SELECT state, count(*) AS n FROM winback_case GROUP BY state"
# The same rule as domain.offers.state_of, in its order.
_COUNT_OFFERS: Final = """
SELECT CASE
    WHEN o.confirmed_for IS NOT NULL OR c.used_for IS NOT NULL THEN 'redeemed'
    WHEN c.state = 'cancelled' THEN 'withdrawn'
    WHEN o.expires_at <= w.clock THEN 'expired'
    WHEN o.reserved_until > w.clock THEN 'reserved'
    ELSE 'open' END AS state, count(*) AS n
FROM offer AS o JOIN winback_case AS c ON c.id = o.case_id LEFT JOIN owner AS w ON w.partition = c.partition
GROUP BY 1
"""


async def case_by_id(pool: Pool, case: UUID) -> CaseRow | None:
    """One case."""
    return _standing(await pool.fetchrow(_BY_ID, case))


async def case_by_code(tx: Tx, code: str) -> CaseRow | None:
    """The case whose offer has this canonical code."""
    return _standing(await tx.fetchrow(_BY_CODE, code))


async def customer_by_id(tx: Tx, customer: str) -> Customer | None:
    """A customer who has lapsed at least once."""
    row = await tx.fetchrow(_CUSTOMER, customer)
    return Customer(*row) if row else None


async def newest_cases(
    pool: Pool,
    *,
    limit: int,
    state: State | None,
    customer: str | None,
    before: tuple[datetime, UUID] | None,
) -> list[CaseRow]:
    """Cases by the time they were opened, newest first; `before` is the key of the last one seen."""
    wanted = {"c.state = $?": state, "c.customer = $?": customer}
    conditions, arguments = list[str](), list[object]([limit])
    for condition, value in wanted.items():
        if value is not None:
            arguments.append(value)
            conditions.append(condition.replace("?", str(len(arguments))))
    if before is not None:
        conditions.append(f"(c.opened_at, c.id) < (${len(arguments) + 1}, ${len(arguments) + 2})")
        arguments += before
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = await pool.fetch(f"{_STANDING} {where} {_NEWEST}", *arguments)
    return [standing for row in rows if (standing := _standing(row))]


async def counts(pool: Pool) -> tuple[datetime, dict[str, int], dict[str, int]]:
    """The least clock, cases by state and offers by state, all of one moment."""
    async with pool.acquire() as connection, db.snapshot(connection):
        as_of = await connection.fetchval(_CLOCK)
        cases = {row["state"]: row["n"] for row in await connection.fetch(_COUNT_CASES)}
        offers = {row["state"]: row["n"] for row in await connection.fetch(_COUNT_OFFERS)}
    return as_of or DAWN, cases, offers


def _standing(row: asyncpg.Record | None) -> CaseRow | None:
    return (
        CaseRow(case_of(row), row["partition"], row["clock"] or DAWN, row["parked"])
        if row
        else None
    )
