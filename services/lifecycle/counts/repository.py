"""Counts of all customers as of any instant: from the daily counts, and the last day's rows.

In all statements but `_ACTED`, $1 is the instant, and $2 its day, which is not over by then.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.events import ACTION_TYPES
from shared.database import connection as db
from shared.database.connection import Pool, Tx

_PHASES: Final = """
WITH moved AS (
    SELECT from_phase, to_phase, sum(n) AS n FROM flow WHERE day < $2::date GROUP BY 1, 2
    UNION ALL
    SELECT coalesce(from_phase, ''), to_phase, count(*) FROM transition
    WHERE withdrawn IS NULL
        AND occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND occurred_at <= $1
    GROUP BY 1, 2
)
SELECT phase, sum(n)::bigint AS n FROM (
    SELECT to_phase AS phase, n FROM moved
    UNION ALL
    SELECT from_phase, -n FROM moved WHERE from_phase <> ''
) AS flow GROUP BY phase
"""
_RULES: Final = """
SELECT rule, sum(n)::bigint AS n FROM (
    SELECT rule, n FROM flow WHERE day < $2::date
    UNION ALL
    SELECT rule, 1 FROM transition
    WHERE withdrawn IS NULL
        AND occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND occurred_at <= $1
) AS moved GROUP BY rule HAVING sum(n) <> 0
"""
_CAUSES: Final = """
SELECT name, sum(n)::bigint AS n FROM (
    SELECT name, n FROM tally WHERE what = 'cause' AND day < $2::date
    UNION ALL
    SELECT split_part(cause, ':', 1), 1 FROM transition AS t
    CROSS JOIN jsonb_array_elements_text(
        convert_from(t.body, 'UTF8')::jsonb -> 'profile' -> 'causes'
    ) AS cause
    WHERE t.withdrawn IS NULL AND t.to_phase = 'at_risk'
        AND t.occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND t.occurred_at <= $1
) AS told GROUP BY name HAVING sum(n) <> 0
"""
_HINTS: Final = """
SELECT name, sum(n)::bigint AS n FROM (
    SELECT name, n FROM tally WHERE what = 'hint' AND day < $2::date
    UNION ALL
    SELECT name, 1 FROM hint
    WHERE at >= $2::date::timestamp AT TIME ZONE 'UTC' AND at <= $1
) AS given GROUP BY name HAVING sum(n) <> 0
"""

_WITHOUT_EFFECT: Final = "SELECT reason, waits, count(*) AS n FROM remark GROUP BY reason, waits"

_SNAPSHOT_SETTINGS: Final = "SET LOCAL jit = off; SET LOCAL work_mem = '64MB'"
"""Compiling the statements takes longer than running them; the keys of all actors are sorted."""
_OTHER_ACTS: Final = ", ".join(f"'{name}'" for name in ACTION_TYPES if name != "order.completed")
_ACTED: Final = f"""
SELECT count(DISTINCT acted.customer_key) FROM (
    SELECT customer_key FROM event WHERE type = 'order.completed' AND time > $1 AND time <= $2
    UNION ALL
    SELECT customer_key FROM event WHERE type IN ({_OTHER_ACTS}) AND time > $1 AND time <= $2
) AS acted
WHERE NOT EXISTS (
    SELECT FROM customer AS c WHERE c.phase IS NULL AND c.key = acted.customer_key
)
"""  # noqa: S608  (constants)
"""Who acted after $1 and up to $2. Whoever acts has a phase from then on, unless merged."""
_EXISTING: Final = """
SELECT coalesce(sum(n), 0)::bigint + (
    SELECT count(*) FROM transition
    WHERE withdrawn IS NULL AND from_phase IS NULL
        AND occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND occurred_at <= $1
) FROM flow WHERE day < $2::date AND from_phase = ''
"""
"""All who have entered a first phase: whoever has a phase never loses it."""
_HOLDING: Final = """
WITH moved AS (
    SELECT held.fact, step.phase, step.n
    FROM transition AS t JOIN customer AS c USING (customer)
    CROSS JOIN LATERAL (VALUES
        ('signed_up', c.signed_up_at), ('activated', c.activated_at)
    ) AS held(fact, since)
    CROSS JOIN LATERAL (VALUES (t.to_phase, 1), (t.from_phase, -1)) AS step(phase, n)
    WHERE t.withdrawn IS NULL
        AND (t.from_phase = ANY($3::text[]) OR t.to_phase = ANY($3::text[]))
        AND t.occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND t.occurred_at <= $1
        AND held.since < t.occurred_at
),
came AS (
    SELECT DISTINCT c.customer, held.fact, held.since
    FROM event AS e JOIN customer AS c ON c.key = e.customer_key
    CROSS JOIN LATERAL (VALUES
        ('customer.signed_up', 'signed_up', c.signed_up_at),
        ('product.activated', 'activated', c.activated_at)
    ) AS held(type, fact, since)
    WHERE e.type IN ('customer.signed_up', 'product.activated')
        AND e.type = held.type AND e.time = held.since
        AND e.time >= $2::date::timestamp AT TIME ZONE 'UTC' AND e.time <= $1
)
SELECT phase, sum(n)::bigint AS n FROM (
    SELECT what AS fact, name AS phase, n FROM tally
    WHERE what IN ('signed_up', 'activated') AND day < $2::date
    UNION ALL
    SELECT fact, phase, n FROM moved
    UNION ALL
    SELECT came.fact, stood.phase, 1 FROM came CROSS JOIN LATERAL (
        SELECT t.to_phase AS phase FROM transition AS t
        WHERE t.customer = came.customer AND t.withdrawn IS NULL AND t.occurred_at <= came.since
        ORDER BY t.position DESC LIMIT 1
    ) AS stood
) AS change JOIN unnest($3::text[], $4::text[]) AS asked(phase, fact) USING (phase, fact)
GROUP BY phase
"""
"""On the last day, customers move while a fact holds, and a fact comes to hold for others."""


class PhaseGroup(NamedTuple):
    """The customers of one phase for whom exactly these of the wanted facts held."""

    phase: Phase
    facts: frozenset[CustomerFact]
    customers: int


async def count_rules(pool: Pool, as_of: datetime) -> dict[str, int]:
    """Transitions of the current histories by rule."""
    return await _counts(pool, _RULES, as_of)


async def count_causes(pool: Pool, as_of: datetime) -> dict[str, int]:
    """Moves to at_risk by kind of cause."""
    return await _counts(pool, _CAUSES, as_of)


async def count_hints(pool: Pool, as_of: datetime) -> dict[str, int]:
    """Hints by name."""
    return await _counts(pool, _HINTS, as_of)


async def count_without_effect(pool: Pool) -> tuple[dict[str, int], dict[str, int]]:
    """Stored events by reason, as last folded: those without effect, and those that wait."""
    rows = await pool.fetch(_WITHOUT_EFFECT)
    without_effect = {row["reason"]: row["n"] for row in rows if not row["waits"]}
    waiting = {row["reason"]: row["n"] for row in rows if row["waits"]}
    return without_effect, waiting


async def count_phases(
    pool: Pool, as_of: datetime, facts: Mapping[Phase, CustomerFact]
) -> list[PhaseGroup]:
    """Customers by phase and, in phases that have a fact in `facts`, by whether it held."""
    async with _snapshot(pool) as tx:
        counts = await _counts(tx, _PHASES, as_of)
        holding = await _count_holding(tx, as_of, facts) if facts else {}
    groups = list[PhaseGroup]()
    for name, total in counts.items():
        phase = Phase(name)
        with_fact = holding.get(name, 0)
        groups.append(PhaseGroup(phase, frozenset(), total - with_fact))
        if phase in facts:
            groups.append(PhaseGroup(phase, frozenset({facts[phase]}), with_fact))
    return groups


async def count_acted(pool: Pool, as_of: datetime, active: timedelta) -> tuple[int, int]:
    """How many customers had acted within a span up to an instant, and how many had not."""
    async with _snapshot(pool) as tx:
        acted: int = await tx.fetchval(_ACTED, as_of - active, as_of)
        everybody: int = await tx.fetchval(_EXISTING, as_of, _day(as_of))
        return acted, everybody - acted


async def _count_holding(
    tx: Tx, as_of: datetime, facts: Mapping[Phase, CustomerFact]
) -> dict[str, int]:
    """By phase, how many customers the phase's fact in `facts` held for."""
    rows = await tx.fetch(_HOLDING, as_of, _day(as_of), [*facts], [*facts.values()])
    return {row["phase"]: row["n"] for row in rows}


async def _counts(pool: Pool | Tx, statement: str, as_of: datetime) -> dict[str, int]:
    rows = await pool.fetch(statement, as_of, _day(as_of))
    return {name: n for name, n in rows}  # noqa: C416  (records are no pairs to mypy)


def _day(instant: datetime) -> date:
    return instant.astimezone(UTC).date()


@asynccontextmanager
async def _snapshot(pool: Pool) -> AsyncIterator[Tx]:
    async with pool.acquire() as connection, db.snapshot(connection, _SNAPSHOT_SETTINGS):
        yield connection
