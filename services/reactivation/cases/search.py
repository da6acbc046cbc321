"""SQL of what the API reads: pages of cases, one case, the case of a code, counts."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from services.reactivation.cases.repository import CASE_COLUMNS, CASES_WITH_OFFERS, case_of
from services.reactivation.domain.cases import Case, State
from services.reactivation.domain.offers import Code
from shared.clock import CLOCK_START
from shared.database.connection import Pool, Tx, snapshot


class CaseSnapshot(NamedTuple):
    """A case at `as_of`, the clock of its partition, and whether its customer is parked."""

    case: Case
    partition: int
    as_of: datetime
    parked: bool

    @property
    def offered_code(self) -> Code:
        """The code of a case that was not let go."""
        assert self.case.offer is not None  # noqa: S101
        return Code(self.case.offer, self.case.used_for)

    @property
    def checkout_at(self) -> datetime:
        """The instant by which a request judges the code: `as_of`, but not before the offer."""
        return max(self.as_of, self.offered_code.offer.made_at)


class CasePosition(NamedTuple):
    """The place of a case in the list of all cases."""

    opened_at: datetime
    id: UUID


class StateCounts(NamedTuple):
    """Numbers of cases and of offers by state, as of the least clock of all partitions."""

    as_of: datetime
    cases: dict[str, int]
    offers: dict[str, int]


_SNAPSHOT: Final = f"""
SELECT {CASE_COLUMNS}, c.partition, w.clock, k.parked IS NOT NULL AS parked
FROM {CASES_WITH_OFFERS}
JOIN customer AS k ON k.customer = c.customer
LEFT JOIN owner AS w ON w.partition = c.partition
"""  # noqa: S608
_BY_ID: Final = f"{_SNAPSHOT} WHERE c.id = $1"
_BY_CODE: Final = f"{_SNAPSHOT} WHERE o.code = $1"
_NEWEST: Final = "ORDER BY c.opened_at DESC, c.id DESC LIMIT $1"
_CLOCK: Final = "SELECT min(clock) FROM owner"
_CLOCK_OF: Final = "SELECT clock FROM owner WHERE partition = $1"
_COUNT_CASES: Final = "SELECT state, count(*) AS n FROM winback_case GROUP BY state"
# The same rule as domain.offers.Code.state, in its order.
_COUNT_OFFERS: Final = """
SELECT CASE
    WHEN c.used_for IS NOT NULL THEN 'redeemed'
    WHEN o.expires_at <= w.clock THEN 'expired'
    WHEN o.reserved_until > w.clock THEN 'reserved'
    ELSE 'open' END AS state, count(*) AS n
FROM offer AS o JOIN winback_case AS c ON c.id = o.case_id
LEFT JOIN owner AS w ON w.partition = c.partition
GROUP BY 1
"""


async def case_by_id(pool: Pool, case: UUID) -> CaseSnapshot | None:
    """One case."""
    row = await pool.fetchrow(_BY_ID, case)
    return _snapshot(row) if row else None


async def case_by_code(tx: Tx, code: str) -> CaseSnapshot | None:
    """The case whose offer has this canonical code."""
    row = await tx.fetchrow(_BY_CODE, code)
    return _snapshot(row) if row else None


async def clock_of(tx: Tx, partition: int) -> datetime:
    """The clock of a partition."""
    return await tx.fetchval(_CLOCK_OF, partition) or CLOCK_START


async def newest_cases(
    pool: Pool,
    *,
    limit: int,
    state: State | None,
    customer: str | None,
    before: CasePosition | None,
) -> list[CaseSnapshot]:
    """At most `limit` cases, those opened last first, from behind `before` on."""
    wanted = {"c.state = $?": state, "c.customer = $?": customer}
    conditions = list[str]()
    arguments: list[object] = [limit]
    for condition, value in wanted.items():
        if value is not None:
            arguments.append(value)
            conditions.append(condition.replace("?", str(len(arguments))))
    if before is not None:
        place = len(arguments)
        conditions.append(f"(c.opened_at, c.id) < (${place + 1}, ${place + 2})")
        arguments += before
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = await pool.fetch(f"{_SNAPSHOT} {where} {_NEWEST}", *arguments)
    return [_snapshot(row) for row in rows]


async def count_by_state(pool: Pool) -> StateCounts:
    """The numbers of cases and offers, all of the same moment."""
    async with pool.acquire() as connection, snapshot(connection):
        as_of = await connection.fetchval(_CLOCK)
        cases = {row["state"]: row["n"] for row in await connection.fetch(_COUNT_CASES)}
        offers = {row["state"]: row["n"] for row in await connection.fetch(_COUNT_OFFERS)}
    return StateCounts(as_of or CLOCK_START, cases, offers)


def _snapshot(row: asyncpg.Record) -> CaseSnapshot:
    return CaseSnapshot(case_of(row), row["partition"], row["clock"] or CLOCK_START, row["parked"])
