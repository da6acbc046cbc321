"""Simulations: their queue, progress and results; and the snapshot of the customers they read."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

import msgspec

from services.lifecycle.codecs import decode_policy
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies.document import PolicyDocument
from services.lifecycle.simulations.comparison import HistoryStep
from services.lifecycle.simulations.report import SimulationReport
from shared.database import connection as db
from shared.database.connection import Pool, Tx
from shared.database.leases import is_held


class SimulationState(StrEnum):
    """The state of a simulation; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SimulationSpec(NamedTuple):
    """What to simulate: the candidate judges from `begins` on; histories are compared at `ends`."""

    policy: Policy
    begins: datetime
    ends: datetime
    account: str | None


class SimulationProgress(NamedTuple):
    """Customers done, all customers (None before they are counted), and events folded so far."""

    done: int
    total: int | None
    events: int


class StoredSimulation(NamedTuple):
    """A simulation. `report` is the JSON of its report, and is read for single simulations only."""

    id: UUID
    number: int
    spec: SimulationSpec
    state: SimulationState
    progress: SimulationProgress
    reason: str | None
    report: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row."""
        policy = decode_policy(row["policy"])
        return cls(
            id=row["id"],
            number=row["number"],
            spec=SimulationSpec(policy, row["begins"], row["ends"], row["account"]),
            state=SimulationState(row["state"]),
            progress=SimulationProgress(row["done"], row["total"], row["events"]),
            reason=row["reason"],
            report=row["report"],
            created_at=row["created_at"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
        )


class CustomerRecord(NamedTuple):
    """What a simulation reads of one customer: the events as recorded, and the live history."""

    customer: str
    events: list[bytes]
    steps: list[HistoryStep]


NEWEST: Final = 2**63 - 1
"""Greater than the number of any simulation."""

_encode: Final = msgspec.json.Encoder().encode

_COLUMNS: Final = (
    "id, number, policy, begins, ends, account, state, done, total, events, reason,"
    " created_at, started_at, ended_at"
)
_CREATE: Final = """
INSERT INTO simulation (id, idempotency_key, request, policy, begins, ends, account, created_at)
VALUES ($1, $2, $3, $4::json, $5, $6, $7, $8) ON CONFLICT (idempotency_key) DO NOTHING
"""
_FIRST: Final = "SELECT id, request FROM simulation WHERE idempotency_key = $1"
_FIND: Final = f"SELECT {_COLUMNS}, report FROM simulation WHERE id = $1"  # noqa: S608
_PAGE: Final = f"""
SELECT {_COLUMNS}, NULL AS report FROM simulation WHERE number < $1 ORDER BY number DESC LIMIT $2
"""  # noqa: S608
_CANCEL: Final = """
UPDATE simulation SET state = 'cancelled', ended_at = $2 WHERE id = $1 AND ended_at IS NULL
"""
_NEXT: Final = """
SELECT id FROM simulation
WHERE state = 'queued' AND ended_at IS NULL AND id <> ALL($2::uuid[])
AND $1 > (SELECT count(*) FROM simulation WHERE state = 'running' AND ended_at IS NULL)
ORDER BY number LIMIT 1
"""
_START: Final = """
UPDATE simulation SET state = 'running', started_at = $2
WHERE id = $1 AND state = 'queued' RETURNING id
"""
_ADVANCE: Final = """
UPDATE simulation SET done = $2, total = $3, events = $4
WHERE id = $1 AND state = 'running' RETURNING id
"""
_FINISH: Final = """
UPDATE simulation SET state = 'done', report = $2::json, ended_at = $3, done = total, events = $4
WHERE id = $1 AND state = 'running'
"""
_FAIL: Final = """
UPDATE simulation SET state = 'failed', reason = $2, ended_at = $3
WHERE id = $1 AND ended_at IS NULL
"""
_RUNNING: Final = """
SELECT id FROM simulation
WHERE state = 'running' AND ended_at IS NULL AND id <> ALL($1::uuid[])
"""
_TOTAL: Final = "SELECT count(*) FROM customer WHERE merged_into IS NULL AND parked IS NULL"
_CUSTOMERS: Final = """
SELECT key, customer FROM customer WHERE merged_into IS NULL AND parked IS NULL ORDER BY key
"""
_EVENTS: Final = """
SELECT customer_key, body FROM event WHERE customer_key BETWEEN $1 AND $2 AND time <= $3
"""
_STEPS: Final = """
SELECT customer, occurred_at, rule, from_phase, to_phase FROM transition
WHERE customer = ANY($1::text[]) AND withdrawn IS NULL AND occurred_at <= $2
ORDER BY customer, position
"""
_SNAPSHOT_SETTINGS: Final = "SET LOCAL idle_in_transaction_session_timeout = '10min'"


async def create(
    connection: Tx | Pool,
    new_id: UUID,
    spec: SimulationSpec,
    now: datetime,
    *,
    request: str,
    key: str | None,
) -> tuple[UUID, str]:
    """Put a simulation into the queue, unless one came with this idempotency key before.

    Returns the id and request of that one, or else of the new one.
    """
    document = PolicyDocument.of(spec.policy).model_dump_json()
    await connection.execute(
        _CREATE, new_id, key, request, document, spec.begins, spec.ends, spec.account, now
    )
    row = await connection.fetchrow(_FIRST, key) if key is not None else None
    return (row["id"], row["request"]) if row else (new_id, request)


async def find(connection: Tx | Pool, id: UUID) -> StoredSimulation | None:
    """A simulation with its report."""
    row = await connection.fetchrow(_FIND, id)
    return StoredSimulation.of(dict(row)) if row else None


async def page(connection: Tx | Pool, before: int, limit: int) -> list[StoredSimulation]:
    """Simulations with a lower number, the latest first, without their reports."""
    rows = await connection.fetch(_PAGE, before, limit)
    return [StoredSimulation.of(dict(row)) for row in rows]


async def cancel(connection: Tx | Pool, id: UUID, now: datetime) -> None:
    """Cancel a simulation that has not ended; its process notices soon."""
    await connection.execute(_CANCEL, id, now)


async def next_queued(connection: Tx | Pool, own: Sequence[UUID], *, at_once: int) -> UUID | None:
    """The next in the queue, except for `own`, which have a process; None while enough run."""
    id: UUID | None = await connection.fetchval(_NEXT, at_once, own)
    return id


def lease_name(id: UUID) -> str:
    """The lease that the process of a simulation holds while it runs."""
    return f"simulation {id}"


async def start(connection: Tx | Pool, id: UUID, now: datetime) -> SimulationSpec | None:
    """Begin a queued simulation, whose lease is held; None if it is not queued any more."""
    if await connection.fetchval(_START, id, now) is None:
        return None
    stored = await find(connection, id)
    return stored.spec if stored else None


async def advance(connection: Tx | Pool, id: UUID, progress: SimulationProgress) -> bool:
    """Store the progress; False if the simulation is no longer wanted."""
    return await connection.fetchval(_ADVANCE, id, *progress) is not None


async def finish(connection: Tx | Pool, id: UUID, report: SimulationReport, now: datetime) -> None:
    """Store the result, unless the simulation was cancelled."""
    await connection.execute(_FINISH, id, _encode(report).decode(), now, report.events)


async def fail(connection: Tx | Pool, id: UUID, reason: str, now: datetime) -> None:
    """Store why there will be no result, unless the simulation has ended."""
    await connection.execute(_FAIL, id, reason, now)


async def orphans(pool: Pool, own: Sequence[UUID]) -> list[UUID]:
    """Simulations that should be running, other than `own`, but whose process has died."""
    running = [row["id"] for row in await pool.fetch(_RUNNING, own)]
    return [id for id in running if not await is_held(pool, lease_name(id))]


@asynccontextmanager
async def snapshot(connection: Tx) -> AsyncIterator[Tx]:
    """All that is read inside belongs to one instant, and nothing can be written."""
    async with db.snapshot(connection, _SNAPSHOT_SETTINGS):
        yield connection


async def count_customers(tx: Tx) -> int:
    """How many customers `customers` yields."""
    total: int = await tx.fetchval(_TOTAL)
    return total


async def customers(
    tx: Tx, until: datetime, *, at_a_time: int
) -> AsyncGenerator[list[CustomerRecord], None]:
    """All customers but merged and parked ones, in batches, with what happened until an instant."""
    cursor = await tx.cursor(_CUSTOMERS)
    while rows := await cursor.fetch(at_a_time):
        records = {row["customer"]: CustomerRecord(row["customer"], [], []) for row in rows}
        by_key: dict[int, list[CustomerRecord]] = {}
        for row in rows:
            by_key.setdefault(row["key"], []).append(records[row["customer"]])
        for key, body in await tx.fetch(_EVENTS, rows[0]["key"], rows[-1]["key"], until):
            for record in by_key.get(key, ()):
                record.events.append(body)
        for customer, *step in await tx.fetch(_STEPS, list(records), until):
            records[customer].steps.append(HistoryStep(*step))
        yield list(records.values())
