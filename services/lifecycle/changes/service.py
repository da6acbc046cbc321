"""Changes behind a cursor: the next page, and the stream of all that follow."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple

import msgspec

from services.lifecycle.changes import cursor
from services.lifecycle.changes.feed import ChangeFeed, ChangesDeleted
from services.lifecycle.changes.positions import Change, Extent, Position, is_ahead, position_behind
from services.lifecycle.changes.retention import ChangeRetention
from shared.aio import wait
from shared.database.connection import Pool
from shared.errors import FieldError, Problem, Retryable

NOW: Final = "now"
HEARTBEAT_S: Final = 15.0
AGAIN_S: Final = 1.0
RECONNECT_MS: Final = 2000
STREAMED: Final = 50
"""Most changes that a stream holds in memory: its client may be slow."""


class _Typed(msgspec.Struct):
    type: str


_typed: Final = msgspec.json.Decoder(_Typed)


class ChangeSlice(NamedTuple):
    """Changes, the cursor behind them, and whether there were more."""

    changes: list[Change]
    next: str
    more: bool


class StartPosition(NamedTuple):
    """Where to begin; `oldest` if the reader gave no cursor and wants everything that is kept."""

    at: Position
    oldest: bool


class ChangeService:
    """Reads and streams changes, and deletes those that are too old."""

    def __init__(self, pool: Pool, partitions: int, *, days: int) -> None:
        self._feed = ChangeFeed(pool, partitions)
        self._retention = ChangeRetention(pool, partitions, days)
        self._days = days

    @property
    def waiting(self) -> int:
        """How many wait for something to be published."""
        return self._feed.waiting

    @asynccontextmanager
    async def running(self, stopping: asyncio.Event) -> AsyncIterator[None]:
        """Polls for those who wait and deletes what is too old, while the block runs."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._feed.running(stopping))
            await stack.enter_async_context(self._retention.running())
            yield

    async def page(self, after: str | None, limit: int, wait_s: float) -> ChangeSlice:
        """The changes behind a cursor; if there are none, wait for some.

        Raises Problem 422 or 410, or Retryable.
        """
        extent = await self._feed.extent()
        begin = self._begin(after, extent, "after")
        heads = extent.heads
        if wait_s and not is_ahead(heads, begin.at):
            heads = await self._feed.news(begin.at, wait_s)
            if self._feed.failure:
                raise Retryable(str(self._feed.failure))
        try:
            at, heads, changes = await self._read(begin, heads, limit)
        except ChangesDeleted:
            raise self._expired() from None
        end = position_behind(at, changes)
        return ChangeSlice(changes, cursor.encode(end), is_ahead(heads, end))

    async def start(self, after: str | None, field: str) -> StartPosition:
        """Where to begin. Raises Problem 422 or 410, or Retryable."""
        return self._begin(after, await self._feed.extent(), field)

    async def stream(
        self, begin: StartPosition, *, heartbeat_s: float = HEARTBEAT_S
    ) -> AsyncGenerator[bytes, None]:
        """Server-sent events of all changes behind a position, until the process stops.

        While the database is down, heartbeats go on. The stream ends when changes behind the
        position have been deleted or undone, and when looking for changes fails unexpectedly.
        """
        yield f"id: {cursor.encode(begin.at)}\nretry: {RECONNECT_MS}\n\n".encode()
        at, oldest = begin
        heads = at
        era = self._feed.era
        while not self._feed.stopped and self._feed.era == era:
            try:
                at, heads, changes = await self._read(StartPosition(at, oldest), heads, STREAMED)
                if changes:
                    yield b"".join(_frames(at, changes))
                    at = position_behind(at, changes)
                    oldest = False
                    continue
            except ChangesDeleted:
                return
            except Retryable:
                yield b": the database does not answer\n\n"
                await wait(asyncio.Event(), AGAIN_S)
                continue
            heads = await self._feed.news(at, heartbeat_s)
            if not is_ahead(heads, at):
                yield b": nothing new\n\n"

    async def _read(
        self, begin: StartPosition, heads: Position, limit: int
    ) -> tuple[Position, Position, list[Change]]:
        """The position read from, the heads by then, and the next changes.

        Raises ChangesDeleted or Retryable.
        """
        at, oldest = begin
        while True:
            try:
                return at, heads, await self._feed.read(at, heads, limit)
            except ChangesDeleted:
                if not oldest:
                    raise
                # The oldest has been deleted meanwhile: begin at what is the oldest now.
                at, heads = await self._feed.extent()

    def _begin(self, after: str | None, extent: Extent, field: str) -> StartPosition:
        if after is None:
            return StartPosition(extent.floors, oldest=True)
        if after == NOW:
            return StartPosition(extent.heads, oldest=False)
        try:
            at = cursor.decode(after, self._feed.partitions)
        except ValueError:
            raise _invalid(field, "is not a cursor of an answer of this list") from None
        if is_ahead(at, extent.heads):
            raise _invalid(field, "lies ahead of everything that was published")
        if is_ahead(extent.floors, at):
            raise self._expired()
        return StartPosition(at, oldest=False)

    def _expired(self) -> Problem:
        return Problem(
            410,
            "cursor_expired",
            f"Changes behind this cursor have been deleted: they are kept for {self._days} days. "
            "Get a new cursor with after=now, then read the customers themselves "
            "(GET /v1/customers), then follow from that cursor.",
        )


def _invalid(field: str, message: str) -> Problem:
    return Problem(
        422, "invalid_cursor", "The cursor cannot be used.", errors=(FieldError(field, message),)
    )


def _frames(at: Position, changes: Iterable[Change]) -> Iterable[bytes]:
    """One event of the stream for each change, with the cursor behind it."""
    for change in changes:
        at = position_behind(at, [change])
        head = f"id: {cursor.encode(at)}\nevent: {_typed.decode(change.body).type}\ndata: "
        yield head.encode() + change.body + b"\n\n"
