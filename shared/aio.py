"""Sharing the event loop: computing in chunks, sleep that an event ends, work in the background."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, Final, TypeVar

T = TypeVar("T")
CHUNK_SIZE: Final = 100


async def in_chunks(items: Iterable[T]) -> AsyncIterator[Sequence[T]]:
    """Yield the items in chunks.

    In between, the loop runs what is ready, such as the next statement of a commit.
    """
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK_SIZE)):
        yield chunk
        await asyncio.sleep(0)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Sleep for so many seconds, or until the event is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do work while the block runs.

    The block's end cancels the work; a failure of the work ends the block.
    """
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()
