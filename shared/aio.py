"""Sharing the event loop: long computations in turns with the I/O that waits, and sleep that can be ended."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, Final, TypeVar

T = TypeVar("T")
STRIDE: Final = 100


async def in_chunks(items: Iterable[T]) -> AsyncIterator[Sequence[T]]:
    """The items in handfuls; in between, the loop runs what is ready, such as the next statement of a commit."""
    iterator = iter(items)
    while handful := list(islice(iterator, STRIDE)):
        yield handful
        await asyncio.sleep(0)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Sleep, but wake up at once when the event is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that goes on while the block does: the block's end cancels it, and its failure ends the block."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()
