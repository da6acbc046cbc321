"""PostgreSQL: connections that act as one service's role, and errors sorted into what the caller should do."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from shared.errors import Retryable

if TYPE_CHECKING:
    Tx: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    """A connection inside a transaction."""
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    # The classes are generic in their stubs only; as plain classes they can stand in `Tx | Pool` at run time too.
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
REFUSED: Final = asyncpg.PostgresError
"""Whatever the server says no to."""


def role(service: str) -> str:
    """The database role of a service: it owns the service's schema and sees no other."""
    return f"stammkunde_{service}"


def _server_settings(service: str) -> dict[str, str]:
    return {
        "role": role(service),
        "search_path": service,
        "timezone": "UTC",
        # Otherwise the server keeps a sequential scan that it planned while the tables were empty.
        "plan_cache_mode": "force_custom_plan",
        # A process that was stopped inside a transaction must not keep the next owner out for ever.
        "idle_in_transaction_session_timeout": "10s",
    }


_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def _micros(instant: datetime) -> tuple[int]:
    """As PostgreSQL's binary format has it."""
    return ((instant - _EPOCH) // _MICROSECOND,)


def _instant(micros: tuple[int]) -> datetime:
    return _EPOCH + timedelta(microseconds=micros[0])


async def connect(url: str, service: str) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection that acts as the service's role, with its schema as the search path."""
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
        raise Retryable(f"PostgreSQL cannot be reached: {error}") from error


async def create_pool(url: str, service: str, *, size: int = 10) -> Pool:
    """A pool of such connections, for API processes.

    A connection goes back as it is, unless in a transaction: who sets anything in its session sets it back.
    """
    settings: dict[str, Any] = {"server_settings": _server_settings(service)}
    pool = await asyncpg.create_pool(
        url, min_size=1, max_size=size, command_timeout=30, reset=_keep, **settings
    )
    assert pool is not None  # noqa: S101  (None only for a pool created twice)
    return pool


async def _keep(_: object) -> None:
    """asyncpg's own reset is one more round trip for each read."""


async def given_back(connection: Tx, unlock: str) -> None:
    """Give up a lock of the session; if that fails, the session ends, and the lock with it."""
    try:
        await connection.execute(unlock)
    except BaseException:
        connection.terminate()
        raise


async def ping(pool: Pool) -> None:
    """Raises what keeps the database, or the migrated schema in it, from answering."""
    await pool.fetchval("SELECT clock FROM owner LIMIT 1")


@contextmanager
def sorting_errors() -> Iterator[None]:
    """Transient failures of PostgreSQL inside come out as Retryable."""
    try:
        yield
    except TRANSIENT as error:
        raise Retryable(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def snapshot(connection: Tx, settings: str = "") -> AsyncIterator[Tx]:
    """A transaction in which all that is read belongs to one instant, and nothing can be written.

    `settings` hold inside (SET LOCAL). Transient failures come out as Retryable.
    """
    with sorting_errors():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            if settings:
                await connection.execute(settings)
            yield connection


@asynccontextmanager
async def transaction(connection: Tx) -> AsyncIterator[Tx]:
    """A READ COMMITTED transaction; transient failures come out as Retryable."""
    with sorting_errors():
        async with connection.transaction():
            yield connection
