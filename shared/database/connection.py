"""PostgreSQL: connections that act as one service's role, and which errors to try again after."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from shared.error_texts import describe
from shared.errors import Retryable

if TYPE_CHECKING:
    Tx: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    """A connection inside a transaction."""
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    # Generic in their stubs only: as plain classes they can stand in `Tx | Pool` at run time too.
    Tx = asyncpg.Connection | PoolConnectionProxy
    Pool = asyncpg.Pool

TRANSIENT: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # connected to a server that is not the primary any more
    asyncpg.InvalidCachedStatementError,  # planned before a migration
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server was killed in the middle of an answer
    OSError,
)
"""Failures after which the same work may succeed later."""
DATA_REFUSED: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.RaiseError,  # a trigger of ours
)
"""Refusals of what a statement says; without the customer whom it says it of, it may succeed."""
REFUSED: Final = asyncpg.PostgresError
"""Any error that the server answers with."""


def role(service: str) -> str:
    """Return the database role of a service: it owns nothing, and sees only its own schema."""
    return f"stammkunde_{service}"


def _server_settings(service: str) -> dict[str, str]:
    return {
        "role": role(service),
        "search_path": service,
        "timezone": "UTC",
        # Otherwise the server keeps a sequential scan planned while the tables were empty.
        "plan_cache_mode": "force_custom_plan",
        # A process stopped inside a transaction must not keep the next owner out for ever.
        "idle_in_transaction_session_timeout": "10s",
    }


_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def _micros(instant: datetime) -> tuple[int]:
    """Encode as PostgreSQL's binary format does: microseconds since 2000."""
    return ((instant - _EPOCH) // _MICROSECOND,)


def _instant(micros: tuple[int]) -> datetime:
    return _EPOCH + timedelta(microseconds=micros[0])


async def connect(url: str, service: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a connection that acts as the service's role, with its schema as the search path.

    Raises Retryable if PostgreSQL cannot be reached.
    """
    try:
        connection = await asyncpg.connect(
            url, server_settings=_server_settings(service), timeout=10, command_timeout=60
        )
        # asyncpg's own encoder takes twice as long, and a worker writes several instants an event.
        await connection.set_type_codec(
            "timestamptz", schema="pg_catalog", encoder=_micros, decoder=_instant, format="tuple"
        )
        return connection
    except TRANSIENT as error:
        raise Retryable(f"PostgreSQL cannot be reached: {describe(error)}") from error


ACQUIRE_S: Final = 5.0
"""How long a request waits for a connection: longer than others wait for a lock with theirs."""
_API_SETTINGS: Final = {
    "lock_timeout": "3s",
    # For statements whose process has died: a live one ends its own after `command_timeout`, or
    # the longer time that it names.
    "statement_timeout": "15min",
}


class _LimitedPool(asyncpg.Pool):
    """A pool that nobody waits for without end."""

    def acquire(self, *, timeout: float | None = None) -> Any:
        """Take a connection. Raises TimeoutError if none is free in time."""
        return super().acquire(timeout=ACQUIRE_S if timeout is None else timeout)


async def create_pool(url: str, service: str, *, size: int = 10) -> Pool:
    """Open a pool of such connections, for API processes.

    Waiting for a connection or for a lock has an end; both errors are TRANSIENT.
    A connection goes back into the pool as it is: whoever changes a setting of its session must
    change it back.
    """
    return await _LimitedPool(
        url,
        min_size=1,
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        connect=None,
        setup=None,
        init=None,
        reset=_keep_session,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        command_timeout=30,
        server_settings=_server_settings(service) | _API_SETTINGS,
    )


async def _keep_session(_: object) -> None:
    """Do nothing: asyncpg's own reset is one more round trip for each read."""


async def ping(pool: Pool) -> None:
    """Raise whatever keeps the database, or the migrated schema in it, from answering."""
    await pool.fetchval("SELECT clock FROM owner LIMIT 1")


@contextmanager
def retryable_errors() -> Iterator[None]:
    """Raise transient failures of PostgreSQL inside the block as Retryable."""
    try:
        yield
    except TRANSIENT as error:
        raise Retryable(describe(error)) from error


@asynccontextmanager
async def snapshot(connection: Tx, settings: str = "") -> AsyncIterator[Tx]:
    """Open a read-only transaction in which everything that is read belongs to one instant.

    `settings` are statements that hold inside it (SET LOCAL).
    Raises Retryable for transient failures.
    """
    with retryable_errors():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            if settings:
                await connection.execute(settings)
            yield connection


_after_commit: Final[ContextVar[list[Callable[[], None]] | None]] = ContextVar(
    "after_commit", default=None
)
"""What is to be done after the transaction that is open in this task; None: none is open."""


def on_commit(act: Callable[[], None]) -> None:
    """Do something as soon as the open transaction is committed, and not at all if it fails.

    Without an open transaction it is done at once.
    """
    acts = _after_commit.get()
    if acts is None:
        act()
    else:
        acts.append(act)


@asynccontextmanager
async def transaction(connection: Tx) -> AsyncIterator[Tx]:
    """Open a READ COMMITTED transaction, or a savepoint inside one.

    Raises Retryable for transient failures.
    """
    outer = _after_commit.get() if connection.is_in_transaction() else None
    acts: list[Callable[[], None]] = []
    before = _after_commit.get()
    _after_commit.set(acts)
    try:
        with retryable_errors():
            async with connection.transaction():
                yield connection
    finally:
        _after_commit.set(before)
    if outer is not None:
        outer += acts
        return
    for act in acts:
        act()
