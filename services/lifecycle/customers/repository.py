"""Reads of one customer: its state, its history, and the facts that held of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.lifecycle.codecs import decode_customer, decode_transition
from services.lifecycle.customers.facts import facts_held
from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.events import ACTION_TYPES
from services.lifecycle.schedule import LATEST_NUMBER
from shared.clock import CLOCK_START
from shared.database.connection import Pool
from shared.events.transitions import Transition

_FIND: Final = f"""
SELECT state, version, parked,
    (SELECT clock FROM owner WHERE owner.partition = customer.partition) AS clock,
    ({LATEST_NUMBER}) AS known
FROM customer WHERE customer = $1
"""  # noqa: S608  (constants)
_END_OF_CHAIN: Final = """
WITH RECURSIVE chain AS (
    SELECT merged_into FROM customer WHERE customer = $1 AND merged_into IS NOT NULL
    UNION ALL
    SELECT c.merged_into FROM chain JOIN customer AS c ON c.customer = chain.merged_into
    WHERE c.merged_into IS NOT NULL
)
SELECT chain.merged_into FROM chain LEFT JOIN customer AS c ON c.customer = chain.merged_into
WHERE c.merged_into IS NULL
"""
_HISTORY: Final = """
SELECT position, version, withdrawn, body FROM transition
WHERE customer = $1 AND (withdrawn IS NULL OR $2)
    AND (position, version) < ($3::bigint, $4::bigint)
ORDER BY position DESC, version DESC LIMIT $5
"""
_FACTS: Final = """
SELECT c.signed_up_at, c.activated_at, w.until, $4 AND EXISTS (
    SELECT FROM event AS e
    WHERE e.customer_key = c.key AND e.type = ANY($5::text[])
        AND e.time > w.since AND e.time <= w.until
) AS acted
FROM customer AS c
CROSS JOIN unnest($2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS w(since, until, n)
WHERE c.customer = $1 ORDER BY w.n
"""


class StoredCustomer(NamedTuple):
    """A customer's state and version, and why it is parked, if it is.

    Read at the same moment: the clock of its partition, and the greatest number of an activation
    or fit.
    """

    customer: Customer
    version: int
    parked: str | None
    clock: datetime
    known: int


async def find_customer(pool: Pool, customer: str) -> StoredCustomer | None:
    """A customer of whom something is stored, even if it has no phase."""
    row = await pool.fetchrow(_FIND, customer)
    if row is None:
        return None
    return StoredCustomer(
        decode_customer(row["state"]),
        row["version"],
        row["parked"],
        row["clock"] or CLOCK_START,
        row["known"],
    )


async def end_of_chain(pool: Pool, customer: str) -> str | None:
    """Who a merged customer is now; None for one who is not merged."""
    end: str | None = await pool.fetchval(_END_OF_CHAIN, customer)
    return end


async def history_page(
    pool: Pool, customer: str, *, withdrawn_too: bool, before: tuple[int, int], limit: int
) -> list[tuple[Transition, int | None]]:
    """Transitions before a (position, version), newest first.

    With each comes the version that withdrew it, or None.
    """
    rows = await pool.fetch(_HISTORY, customer, withdrawn_too, *before, limit)
    return [(decode_transition(row["body"]), row["withdrawn"]) for row in rows]


async def facts_at(
    pool: Pool,
    customer: str,
    instants: Sequence[datetime],
    active: timedelta,
    *,
    with_acts: bool,
) -> list[frozenset[CustomerFact]]:
    """Which facts held of a customer at each instant.

    Acts count for the span `active`, whose beginning is not in it. Without `with_acts` the answer
    is always that the customer has not acted.
    """
    since = [instant - active for instant in instants]
    rows = await pool.fetch(_FACTS, customer, since, instants, with_acts, ACTION_TYPES)
    return [
        facts_held(
            row["until"],
            signed_up_at=row["signed_up_at"],
            activated_at=row["activated_at"],
            acted=row["acted"],
        )
        for row in rows
    ]
