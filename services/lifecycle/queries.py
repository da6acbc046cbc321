"""Reads for the views of other models: what held of customers, as of any instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from services.lifecycle.domain.phases import Phase
from services.lifecycle.domain.views import Fact
from shared.db import Pool


@dataclass(frozen=True, slots=True)
class Asked:
    """Whether it matters if customers have acted, and within which span up to the instant."""

    acts: bool
    active: timedelta

    def since(self, instant: datetime) -> datetime:
        """Where the span begins; that instant itself is not in it."""
        return instant - self.active


_FACTS: Final = """
SELECT coalesce(c.signed_up_at <= w.until, false) AS signed_up, coalesce(c.activated_at <= w.until, false) AS activated,
    $4 AND EXISTS (
        SELECT FROM event AS e WHERE e.customer_key = c.key AND e.act AND e.time > w.since AND e.time <= w.until
    ) AS acted
FROM customer AS c CROSS JOIN unnest($2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS w(since, until, n)
WHERE c.customer = $1 ORDER BY w.n
"""
_STANDINGS: Final = """
WITH standing AS (
    SELECT DISTINCT ON (customer) customer, to_phase AS phase FROM transition
    WHERE withdrawn IS NULL AND occurred_at <= $2 ORDER BY customer, position DESC
)
SELECT s.phase, coalesce(c.signed_up_at <= $2, false) AS signed_up, coalesce(c.activated_at <= $2, false) AS activated,
    $3 AND EXISTS (
        SELECT FROM event AS e WHERE e.customer_key = c.key AND e.act AND e.time > $1 AND e.time <= $2
    ) AS acted,
    count(*) AS n
FROM standing AS s JOIN customer AS c USING (customer) GROUP BY 1, 2, 3, 4
"""


async def facts(pool: Pool, customer: str, instants: Sequence[datetime], asked: Asked) -> list[frozenset[Fact]]:
    """What held of a customer at each of the instants."""
    since = [asked.since(instant) for instant in instants]
    return [_facts(row) for row in await pool.fetch(_FACTS, customer, since, instants, asked.acts)]


async def standings(pool: Pool, as_of: datetime, asked: Asked) -> list[tuple[Phase, frozenset[Fact], int]]:
    """How many customers were in each phase at an instant, by what held of them."""
    rows = await pool.fetch(_STANDINGS, asked.since(as_of), as_of, asked.acts)
    return [(Phase(row["phase"]), _facts(row), row["n"]) for row in rows]


def _facts(row: asyncpg.Record) -> frozenset[Fact]:
    return frozenset(fact for fact in Fact if row[fact])
