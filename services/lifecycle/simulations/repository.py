"""Simulations as the database has them: the queue, how far each is, its result; and the snapshot that one reads."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

import msgspec

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies.document import PolicyDocument
from services.lifecycle.simulations.comparison import HistoryStep, SimulationReport
from shared.database import connection as db
from shared.database.connection import Pool, Tx


class SimulationState(StrEnum):
    """Where a simulation stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SimulationSpec(NamedTuple):
    """What is to be simulated: the candidate from `begins` on, judged at `ends`."""

    policy: Policy
    begins: datetime
    ends: datetime
    account: str | None


class SimulationProgress(NamedTuple):
    """Customers done and in all (None before they were counted), and the events folded so far."""

    done: int
    total: int | None
    events: int


class StoredSimulation(NamedTuple):
    """A simulation; `report` is the JSON of its Report, read only where one simulation is asked for."""

    id: UUID
    number: int
    order: SimulationSpec
    state: SimulationState
    progress: SimulationProgress
    reason: str | None
    report: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """A row of the statements below."""
        order = SimulationSpec(
            _policy.decode(row["policy"]), row["begins"], row["ends"], row["account"]
        )
        progress = SimulationProgress(row["done"], row["total"], row["events"])
        return cls(
            row["id"], row["number"], order, SimulationState(row["state"]), progress, row["reason"], row["report"],
            row["created_at"], row["started_at"], row["ended_at"],
        )  # fmt: skip


class CustomerRecord(NamedTuple):
    """What a simulation reads of one customer: the events as they were recorded, and the current history."""

    customer: str
    events: list[bytes]
    steps: list[HistoryStep]


LATER: Final = 75
"""The exit code of a process that says: nothing has begun, the same may succeed later."""

_policy: Final = msgspec.json.Decoder(Policy)
_encode: Final = msgspec.json.Encoder().encode

_COLUMNS: Final = "id, number, policy, begins, ends, account, state, done, total, events, reason, created_at, started_at, ended_at"
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
WHERE state = 'queued' AND $1 > (SELECT count(*) FROM simulation WHERE state = 'running' AND ended_at IS NULL)
AND ended_at IS NULL AND id <> ALL($2::uuid[]) ORDER BY number LIMIT 1
"""
_HOLD: Final = "SELECT pg_try_advisory_lock(hashtextextended('lifecycle.simulation ' || $1, 0))"
_START: Final = """
UPDATE simulation SET state = 'running', started_at = $2 WHERE id = $1 AND state = 'queued' RETURNING id
"""
_ADVANCE: Final = """
UPDATE simulation SET done = $2, total = $3, events = $4 WHERE id = $1 AND state = 'running' RETURNING id
"""
_FINISH: Final = """
UPDATE simulation SET state = 'done', report = $2::json, ended_at = $3, done = total, events = $4
WHERE id = $1 AND state = 'running'
"""
_FAIL: Final = "UPDATE simulation SET state = 'failed', reason = $2, ended_at = $3 WHERE id = $1 AND ended_at IS NULL"
_RUNNING: Final = "SELECT id FROM simulation WHERE state = 'running' AND ended_at IS NULL AND id <> ALL($1::uuid[])"
_IS_FREE: Final = (
    "SELECT pg_try_advisory_xact_lock(hashtextextended('lifecycle.simulation ' || $1, 0))"
)
_TOTAL: Final = "SELECT count(*) FROM customer WHERE merged_into IS NULL AND parked IS NULL"
_CUSTOMERS: Final = (
    "SELECT key, customer FROM customer WHERE merged_into IS NULL AND parked IS NULL ORDER BY key"
)
_EVENTS: Final = (
    "SELECT customer_key, body FROM event WHERE customer_key BETWEEN $1 AND $2 AND time <= $3"
)
_STEPS: Final = """
SELECT customer, occurred_at, rule, from_phase, to_phase FROM transition
WHERE customer = ANY($1::text[]) AND withdrawn IS NULL AND occurred_at <= $2 ORDER BY customer, position
"""
_PATIENT: Final = "SET LOCAL idle_in_transaction_session_timeout = '10min'"


async def create(
    connection: Tx | Pool,
    fresh: UUID,
    order: SimulationSpec,
    now: datetime,
    *,
    request: str,
    key: str | None,
) -> tuple[UUID, str]:
    """Put a simulation into the queue; its id and request, or those of the one that came with this key before."""
    document = PolicyDocument.of(order.policy).model_dump_json()
    await connection.execute(
        _CREATE, fresh, key, request, document, order.begins, order.ends, order.account, now
    )
    row = await connection.fetchrow(_FIRST, key) if key is not None else None
    return (row["id"], row["request"]) if row else (fresh, request)


async def find(connection: Tx | Pool, id: UUID) -> StoredSimulation | None:
    """A simulation with its report."""
    row = await connection.fetchrow(_FIND, id)
    return StoredSimulation.of(dict(row)) if row else None


async def page(connection: Tx | Pool, before: int, limit: int) -> list[StoredSimulation]:
    """Simulations with a lower number, the latest first, without their reports."""
    return [StoredSimulation.of(dict(row)) for row in await connection.fetch(_PAGE, before, limit)]


async def cancel(connection: Tx | Pool, id: UUID, now: datetime) -> None:
    """Let a simulation that has not ended be cancelled; its process sees that soon."""
    await connection.execute(_CANCEL, id, now)


# -- running them ------------------------------------------------------------------------------------------------------


async def next_queued(connection: Tx | Pool, ours: Sequence[UUID], *, at_once: int) -> UUID | None:
    """The next in the queue, but for those that have a process already; None while enough are running."""
    found: UUID | None = await connection.fetchval(_NEXT, at_once, ours)
    return found


async def start(connection: Tx, id: UUID, now: datetime) -> SimulationSpec | None:
    """Take a queued simulation: it is this connection's as long as that lasts. None if it is not to be had."""
    if (
        not await connection.fetchval(_HOLD, str(id))
        or await connection.fetchval(_START, id, now) is None
    ):
        return None
    found = await find(connection, id)
    return found.order if found else None


async def advance(connection: Tx, id: UUID, progress: SimulationProgress) -> bool:
    """Tell how far it is; False if it is not wanted any more."""
    return await connection.fetchval(_ADVANCE, id, *progress) is not None


async def finish(connection: Tx, id: UUID, report: SimulationReport, now: datetime) -> None:
    """Keep the result, unless it was cancelled."""
    await connection.execute(_FINISH, id, _encode(report).decode(), now, report.events)


async def fail(connection: Tx | Pool, id: UUID, reason: str, now: datetime) -> None:
    """Say why there will be no result, unless it has ended."""
    await connection.execute(_FAIL, id, reason, now)


async def orphans(pool: Pool, ours: Sequence[UUID]) -> list[UUID]:
    """Simulations said to be running, by no process of ours, that no connection holds: their process is dead."""
    found = [row["id"] for row in await pool.fetch(_RUNNING, ours)]
    return [id for id in found if await pool.fetchval(_IS_FREE, str(id))]


# -- the snapshot ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def snapshot(connection: Tx) -> AsyncIterator[Tx]:
    """All that is read inside belongs to one instant, and nothing can be written."""
    async with db.snapshot(connection, _PATIENT):
        yield connection


async def count(tx: Tx) -> int:
    """How many customers `lives` will give."""
    found: int = await tx.fetchval(_TOTAL)
    return found


async def lives(
    tx: Tx, until: datetime, *, handful: int
) -> AsyncGenerator[list[CustomerRecord], None]:
    """All customers but merged and parked ones, with what happened until an instant, some at a time."""
    cursor = await tx.cursor(_CUSTOMERS)
    while rows := await cursor.fetch(handful):
        found = {row["customer"]: CustomerRecord(row["customer"], [], []) for row in rows}
        by_key: dict[int, list[CustomerRecord]] = {}
        for row in rows:
            by_key.setdefault(row["key"], []).append(found[row["customer"]])
        for key, body in await tx.fetch(_EVENTS, rows[0]["key"], rows[-1]["key"], until):
            for life in by_key.get(key, ()):
                life.events.append(body)
        for customer, *step in await tx.fetch(_STEPS, list(found), until):
            found[customer].steps.append(HistoryStep(*step))
        yield list(found.values())
