"""Leases: one of several processes does a job, for as long as it keeps renewing a row.

A lease runs out by itself when its holder dies. Each statement stands alone, on any connection, so
that leases work behind a pooler that hands out a connection for each transaction. The database's
clock says when a lease is over, because it is the only one that all holders share
(docs/decisions/0026).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import uuid4

import structlog

from shared.database.connection import REFUSED, Pool, retryable_errors
from shared.error_texts import describe
from shared.errors import Retryable

log = structlog.get_logger()

TERM_S: Final = 30.0
"""How long a lease outlives a holder that has died."""
RENEWALS: Final = 3
"""Renewals in each term: if one fails, the next still comes in time."""
ASK_EVERY_S: Final = 0.5

_TAKE: Final = """
WITH forgotten AS (
    DELETE FROM lease WHERE name IN (
        SELECT name FROM lease
        WHERE until < clock_timestamp() - interval '1 day' AND name <> $1
        FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO lease (name, holder, until)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE lease.until <= clock_timestamp()
RETURNING true
"""
"""Deletes in passing what holders who were killed have left under names that nobody takes again."""
_RENEW: Final = """
UPDATE lease SET until = clock_timestamp() + make_interval(secs => $3)
WHERE name = $1 AND holder = $2 RETURNING true
"""
_GIVE_BACK: Final = "DELETE FROM lease WHERE name = $1 AND holder = $2"
_IS_HELD: Final = "SELECT EXISTS (SELECT FROM lease WHERE name = $1 AND until > clock_timestamp())"


class Lease:
    """One holder's claim to a name.

    `ends` is the time of the event loop until which it certainly holds: a term after it was last
    taken or renewed, counted from before the database was asked. Every method raises Retryable if
    the database does not answer.
    """

    def __init__(self, pool: Pool, name: str, *, term_s: float = TERM_S) -> None:
        self.name: Final = name
        self.term_s: Final = term_s
        self.ends = 0.0
        self._pool: Final = pool
        self._holder: Final = uuid4()

    async def take(self) -> bool:
        """Take it for a term, unless another holder has it."""
        return await self._extend(_TAKE)

    async def renew(self) -> bool:
        """Hold it for another term; False if another holder has had it since."""
        return await self._extend(_RENEW)

    async def give_back(self) -> None:
        """Let others have it at once, if it is still this holder's."""
        with retryable_errors():
            await self._pool.execute(_GIVE_BACK, self.name, self._holder)

    async def _extend(self, statement: str) -> bool:
        asked = asyncio.get_running_loop().time()
        with retryable_errors():
            found = await self._pool.fetchval(statement, self.name, self._holder, self.term_s)
        if found:
            self.ends = asked + self.term_s
        return bool(found)


@asynccontextmanager
async def hold(
    pool: Pool, name: str, *, term_s: float = TERM_S, wait_s: float = 0.0
) -> AsyncIterator[bool]:
    """Hold a lease while the block runs; yields False if others had it for all of `wait_s`.

    The lease is renewed meanwhile. If it is lost, the block is cancelled and ends with Retryable:
    the database did not answer for a term, or the process stood still for so long that another
    has taken over. Raises Retryable as well if the database does not answer at first.
    """
    lease = Lease(pool, name, term_s=term_s)
    if not await _taken_within(lease, wait_s):
        yield False
        return
    try:
        async with _renewed(lease):
            yield True
    finally:
        with suppress(Retryable, REFUSED):  # it runs out by itself
            await lease.give_back()


async def is_held(pool: Pool, name: str) -> bool:
    """Whether anybody holds a lease. Raises Retryable if the database does not answer."""
    with retryable_errors():
        found: bool = await pool.fetchval(_IS_HELD, name)
    return found


async def _taken_within(lease: Lease, wait_s: float) -> bool:
    time = asyncio.get_running_loop().time
    until = time() + wait_s
    while not await lease.take():
        left = until - time()
        if left <= 0:
            return False
        await asyncio.sleep(min(left, ASK_EVERY_S))
    return True


@asynccontextmanager
async def _renewed(lease: Lease) -> AsyncIterator[None]:
    """Renew a lease while the block runs, and cancel the block when it is lost."""
    limit = asyncio.timeout_at(lease.ends)
    try:
        async with limit:
            renewal = asyncio.create_task(_renew_often(lease, limit))
            try:
                yield
            finally:
                renewal.cancel()
                await asyncio.wait({renewal})
    except TimeoutError:
        if not limit.expired():
            raise
        raise Retryable(f"the lease {lease.name} was lost") from None


async def _renew_often(lease: Lease, limit: asyncio.Timeout) -> None:
    """Renew a lease several times a term, and move `limit` to its new end."""
    while not limit.expired():
        await asyncio.sleep(lease.term_s / RENEWALS)
        try:
            renewed = await lease.renew()
        except (Retryable, REFUSED) as error:
            log.warning("lease.not_renewed", name=lease.name, reason=describe(error))
            continue
        if not limit.expired():
            limit.reschedule(lease.ends if renewed else 0.0)
