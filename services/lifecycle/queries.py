"""Reads of the API: customers, their history, the phases of all, and what held of them as of any instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import asyncpg
import msgspec

from services.lifecycle.domain.customer import Customer
from services.lifecycle.domain.phases import Phase
from services.lifecycle.domain.views import Fact
from services.lifecycle.reading import ACT_TYPES
from shared.clock import DAWN
from shared.db import Pool, Tx
from shared.events.transitions import Transition

_state: Final = msgspec.json.Decoder(Customer)
_transition: Final = msgspec.json.Decoder(Transition)

_FURTHEST: Final = "SELECT max(clock) FROM owner"
_CLOCK: Final = "SELECT min(clock) FROM owner WHERE $1::int IS NULL OR partition = $1"
KNOWN: Final = "SELECT greatest(0, (SELECT max(number) FROM activation), (SELECT max(number) FROM fit WHERE accepted))"
"""The greatest number of an activation or accepted fit; 0 if there is none."""
_FIND: Final = f"""
SELECT state, version, parked, (SELECT clock FROM owner WHERE owner.partition = customer.partition) AS clock,
    ({KNOWN}) AS known
FROM customer WHERE customer = $1
"""  # noqa: S608  (constants)
_END: Final = """
WITH RECURSIVE chain AS (
    SELECT merged_into FROM customer WHERE customer = $1 AND merged_into IS NOT NULL
    UNION ALL
    SELECT c.merged_into FROM chain JOIN customer AS c ON c.customer = chain.merged_into
    WHERE c.merged_into IS NOT NULL
)
SELECT chain.merged_into FROM chain LEFT JOIN customer AS c ON c.customer = chain.merged_into
WHERE c.merged_into IS NULL
"""
_PHASES: Final = """
WITH moved AS (
    SELECT from_phase, to_phase, sum(n) AS n FROM flow WHERE day < $2::date GROUP BY 1, 2
    UNION ALL
    SELECT coalesce(from_phase, ''), to_phase, count(*) FROM transition
    WHERE withdrawn IS NULL AND occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND occurred_at <= $1
    GROUP BY 1, 2
)
SELECT phase, sum(n)::bigint AS n FROM (
    SELECT to_phase AS phase, n FROM moved UNION ALL SELECT from_phase, -n FROM moved WHERE from_phase <> ''
) AS flow GROUP BY phase
"""
"""Whole days from the daily counts, the last one from its transitions: as below, where hints are counted too."""
_RULES: Final = """
SELECT rule, sum(n)::bigint AS n FROM (
    SELECT rule, n FROM flow WHERE day < $2::date
    UNION ALL
    SELECT rule, 1 FROM transition
    WHERE withdrawn IS NULL AND occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND occurred_at <= $1
) AS moved GROUP BY rule HAVING sum(n) <> 0
"""
_CAUSES: Final = """
SELECT name, sum(n)::bigint AS n FROM (
    SELECT name, n FROM tally WHERE what = 'cause' AND day < $2::date
    UNION ALL
    SELECT split_part(cause, ':', 1), 1 FROM transition AS t
    CROSS JOIN jsonb_array_elements_text(convert_from(t.body, 'UTF8')::jsonb -> 'profile' -> 'causes') AS cause
    WHERE t.withdrawn IS NULL AND t.to_phase = 'at_risk'
        AND t.occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND t.occurred_at <= $1
) AS told GROUP BY name HAVING sum(n) <> 0
"""
_HINTS: Final = """
SELECT name, sum(n)::bigint AS n FROM (
    SELECT name, n FROM tally WHERE what = 'hint' AND day < $2::date
    UNION ALL
    SELECT name, 1 FROM hint WHERE at >= $2::date::timestamp AT TIME ZONE 'UTC' AND at <= $1
) AS given GROUP BY name HAVING sum(n) <> 0
"""
_PAGE: Final = """
SELECT position, version, withdrawn, body FROM transition
WHERE customer = $1 AND (withdrawn IS NULL OR $2) AND (position, version) < ($3::bigint, $4::bigint)
ORDER BY position DESC, version DESC LIMIT $5
"""


async def furthest_clock(pool: Pool | Tx) -> datetime:
    """The instant beyond which nobody has been judged by time."""
    return await pool.fetchval(_FURTHEST) or DAWN


async def clock(pool: Pool | Tx, partition: int | None = None) -> datetime:
    """The instant up to which a partition, or every one, has been judged."""
    return await pool.fetchval(_CLOCK, partition) or DAWN


class Found(NamedTuple):
    """A customer's state, version, and why it is parked if it is.

    Read at the same moment: the clock of its partition, and the greatest number of an activation or fit.
    """

    customer: Customer
    version: int
    parked: str | None
    clock: datetime
    known: int


async def find(pool: Pool, customer: str) -> Found | None:
    """What there is of a customer, read at once."""
    row = await pool.fetchrow(_FIND, customer)
    if row is None:
        return None
    return Found(_state.decode(row["state"]), row["version"], row["parked"], row["clock"] or DAWN, row["known"])


async def end_of_chain(pool: Pool, customer: str) -> str | None:
    """Who a merged customer is now; None for one who is not merged."""
    end: str | None = await pool.fetchval(_END, customer)
    return end


async def rules(pool: Pool, as_of: datetime) -> dict[str, int]:
    """Transitions of the current histories by rule, up to an instant."""
    return await _counts(pool, _RULES, as_of)


async def causes(pool: Pool, as_of: datetime) -> dict[str, int]:
    """Moves to at_risk by the kind of their causes, up to an instant."""
    return await _counts(pool, _CAUSES, as_of)


async def hints(pool: Pool, as_of: datetime) -> dict[str, int]:
    """Hints given by name, up to an instant."""
    return await _counts(pool, _HINTS, as_of)


async def _counts(pool: Pool | Tx, statement: str, as_of: datetime) -> dict[str, int]:
    rows = await pool.fetch(statement, as_of, as_of.astimezone(UTC).date())
    return {name: n for name, n in rows}  # noqa: C416  (records are no pairs to mypy)


async def history_page(
    pool: Pool, customer: str, *, withdrawn_too: bool, before: tuple[int, int], limit: int
) -> list[tuple[Transition, int | None]]:
    """Transitions below (position, version), newest first, each with the version that withdrew it."""
    rows = await pool.fetch(_PAGE, customer, withdrawn_too, *before, limit)
    return [(_transition.decode(row["body"]), row["withdrawn"]) for row in rows]


# -- views -------------------------------------------------------------------------------------------------------------


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
        SELECT FROM event AS e
        WHERE e.customer_key = c.key AND e.type = ANY($5::text[]) AND e.time > w.since AND e.time <= w.until
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
        SELECT FROM event AS e
        WHERE e.customer_key = c.key AND e.type = ANY($4::text[]) AND e.time > $1 AND e.time <= $2
    ) AS acted,
    count(*) AS n
FROM standing AS s JOIN customer AS c USING (customer) GROUP BY 1, 2, 3, 4
"""


_HOLDING: Final = """
WITH stay AS (
    SELECT customer, phase FROM customer WHERE phase = ANY($2::text[]) AND since <= $1
    UNION ALL
    SELECT customer, from_phase FROM transition
    WHERE withdrawn IS NULL AND occurred_at > $1 AND from_phase = ANY($2::text[]) AND since <= $1
)
SELECT stay.phase, count(*) FILTER (WHERE c.signed_up_at <= $1) AS signed_up,
    count(*) FILTER (WHERE c.activated_at <= $1) AS activated
FROM stay JOIN customer AS c USING (customer) GROUP BY 1
"""
"""Who is in a phase since then, or has left it later. Inactive and former customers may have returned in between, if
that was undone: nothing is asked of these."""


async def phases_holding(
    pool: Pool, as_of: datetime, asked: Mapping[Phase, Fact]
) -> list[tuple[Phase, frozenset[Fact], int]]:
    """How many customers were in each phase at an instant; where a fact is asked, by whether it held of them."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        counts = await _counts(connection, _PHASES, as_of)
        held_by = await connection.fetch(_HOLDING, as_of, [*asked]) if asked else []
        rows = {row["phase"]: row for row in held_by}
    found = list[tuple[Phase, frozenset[Fact], int]]()
    for phase, n in counts.items():
        fact = asked.get(Phase(phase))
        held = rows[phase][fact] if fact and phase in rows else 0
        found += [(Phase(phase), frozenset({fact} if fact else ()), held), (Phase(phase), frozenset(), n - held)]
    return found


async def facts(pool: Pool, customer: str, instants: Sequence[datetime], asked: Asked) -> list[frozenset[Fact]]:
    """What held of a customer at each of the instants."""
    since = [asked.since(instant) for instant in instants]
    return [_facts(row) for row in await pool.fetch(_FACTS, customer, since, instants, asked.acts, ACT_TYPES)]


async def standings(pool: Pool, as_of: datetime, asked: Asked) -> list[tuple[Phase, frozenset[Fact], int]]:
    """How many customers were in each phase at an instant, by what held of them."""
    rows = await pool.fetch(_STANDINGS, asked.since(as_of), as_of, asked.acts, ACT_TYPES)
    return [(Phase(row["phase"]), _facts(row), row["n"]) for row in rows]


def _facts(row: asyncpg.Record) -> frozenset[Fact]:
    return frozenset(fact for fact in Fact if row[fact])
