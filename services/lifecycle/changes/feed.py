"""The feed: one small query every 200 ms tells all listeners of this process what is new."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from services.lifecycle.changes import repository
from services.lifecycle.changes.cache import ChangeCache
from services.lifecycle.changes.positions import (
    Change,
    Extent,
    Position,
    is_ahead,
    next_ranges,
    number_of_changes,
)
from shared.aio import in_background, wait
from shared.background import Periodic
from shared.clock import monotonic
from shared.database import connection as db
from shared.database.connection import Pool
from shared.errors import Retryable, StammkundeError

log = structlog.get_logger()

POLL_S: Final = 0.2
LONGEST_RETRY_S: Final = 1.0
READERS: Final = 4
"""Most reads of changes at one time: the other routes need connections too."""
READ_AHEAD: Final = 2000
"""Most new changes that are read once for all listeners; if there are more, each reads alone."""


class ChangesDeleted(StammkundeError):
    """The changes behind a position have been deleted."""


class ChangeFeed:
    """Tells listeners what has been published.

    `failure` says why the last look failed; it is None if the look succeeded. `waiting` counts the
    listeners who wait for news. `era` grows when all streams have to end: because the database has
    gone back to an earlier state and gives numbers again, or because a look failed unexpectedly.
    """

    def __init__(self, pool: Pool, partitions: int) -> None:
        self.partitions: Final = partitions
        self.failure: Retryable | None = None
        self.stopped = False
        self.era = 0
        self.waiting = 0
        self._pool = pool
        self._extent = Extent((0,) * partitions, (0,) * partitions)
        self._asked = 0
        self._answered = 0
        self._asking = asyncio.Lock()
        self._readers = asyncio.Semaphore(READERS)
        self._recent = ChangeCache()
        self._announced: Position = (0,) * partitions
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()
        self._rounds: Final = Periodic(
            "changes_feed",
            self._poll,
            pause=POLL_S,
            first_retry_s=POLL_S,
            longest_retry_s=LONGEST_RETRY_S,
        )

    @asynccontextmanager
    async def running(self, stopping: asyncio.Event) -> AsyncIterator[None]:
        """Poll while the block runs; listeners are let go at its end, or once `stopping` is set."""
        async with self._rounds.running(), in_background(self._end_with(stopping)):
            try:
                yield
            finally:
                self._end()

    async def extent(self) -> Extent:
        """What there is to read, looked up after this call began.

        All who call meanwhile share one query, or one failure. Raises Retryable.
        """
        mine = self._asked + 1
        async with self._asking:
            if self._answered < mine:
                self._asked += 1
                await self._ask()
                self._answered = self._asked
        if self.failure:
            raise Retryable(str(self.failure))
        return self._extent

    async def _ask(self) -> None:
        try:
            with db.retryable_errors():
                self._extent = await repository.extent(self._pool, self.partitions)
            self.failure = None
            if is_ahead(self._announced, self._extent.heads):
                self._go_back(self._extent.heads)
        except Retryable as error:
            self.failure = error

    async def read(self, at: Position, heads: Position, limit: int) -> list[Change]:
        """The next changes, at most `limit`, by partition and number.

        Raises ChangesDeleted or Retryable.
        """
        parts = next_ranges(at, heads, limit)
        found = self._recent.find(parts)
        if found is None:
            async with self._readers:
                with db.retryable_errors():
                    found = await repository.read(self._pool, parts)
        if len(found) != number_of_changes(parts):
            raise ChangesDeleted
        return found

    async def news(self, at: Position, seconds: float) -> Position:
        """Wait until something lies ahead of a position, a look fails, or the time is up.

        The end of the process ends it too. Returns the heads that have been announced.
        """
        until = monotonic() + seconds
        era = self.era
        self.waiting += 1
        self._wanted.set()
        try:
            while (
                not (self.stopped or is_ahead(self._announced, at))
                and (left := until - monotonic()) > 0
            ):
                await wait(self._news, left)
                if self.failure or self.era != era:
                    break
        finally:
            self.waiting -= 1
            if not self.waiting:
                self._wanted.clear()
        return self._announced

    async def _poll(self) -> None:
        """One round: as soon as somebody waits, look whether something was published."""
        await self._wanted.wait()
        try:
            await self._announce((await self.extent()).heads)
        except Retryable:
            if not self._rounds.failures:
                self._wake()
            raise
        except Exception as error:
            self._let_go(error)
            raise

    def _let_go(self, error: Exception) -> None:
        """Let all listeners go, with an error; those who come back wait for the next round."""
        self.failure = Retryable(f"changes cannot be looked for: {type(error).__name__}")
        self.era += 1
        self._wake()

    async def _announce(self, heads: Position) -> None:
        """Read what is new, once for all listeners, and wake them."""
        if not is_ahead(heads, self._announced):
            return
        parts = next_ranges(self._announced, heads, READ_AHEAD + 1)
        if number_of_changes(parts) <= READ_AHEAD:
            with db.retryable_errors():
                self._recent.keep(await repository.read(self._pool, parts))
        self._announced = heads
        self._wake()

    def _go_back(self, heads: Position) -> None:
        """End all streams, because the database is in an earlier state: numbers are given again."""
        log.warning("changes.went_back", announced=sum(self._announced), found=sum(heads))
        self._recent.clear()
        self._announced = heads
        self.era += 1
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _end_with(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._end()

    def _end(self) -> None:
        self.stopped = True
        self._wake()
