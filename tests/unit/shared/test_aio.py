"""Sharing the event loop."""

import asyncio

import pytest

from shared.aio import CHUNK_SIZE, in_background, in_chunks, wait


@pytest.mark.parametrize("count", [0, 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE])
async def test_chunks_have_all_items_in_order_and_none_is_empty(count: int) -> None:
    chunks = [chunk async for chunk in in_chunks(range(count))]
    assert [item for chunk in chunks for item in chunk] == list(range(count))
    assert all(0 < len(chunk) <= CHUNK_SIZE for chunk in chunks)


async def test_others_run_between_two_chunks() -> None:
    seen = list[str]()

    async def other() -> None:
        seen.append("other")

    task = asyncio.create_task(other())
    async for chunk in in_chunks(range(CHUNK_SIZE + 1)):
        seen.append(f"{len(chunk)}")
    await task
    assert seen == [f"{CHUNK_SIZE}", "other", "1"]


async def test_waiting_ends_at_once_with_the_event_and_else_with_the_time() -> None:
    event = asyncio.Event()
    await wait(event, 0.001)
    assert not event.is_set()
    event.set()
    async with asyncio.timeout(5):
        await wait(event, 60)


async def test_background_work_ends_with_the_block_and_its_failure_ends_the_block() -> None:
    ended = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with in_background(forever()):
        await asyncio.sleep(0)
    assert ended.is_set()

    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ExceptionGroup) as caught:
        async with in_background(fails()):
            await asyncio.Event().wait()
    assert caught.group_contains(ValueError, match="no")
