"""The feed of changes when a look fails: listeners are let go, or see the next successful look."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import asyncpg
import pytest
from structlog.testing import capture_logs

from services.lifecycle.changes import repository
from services.lifecycle.changes.positions import Change, ChangeRange, Extent
from services.lifecycle.changes.service import ChangeService
from shared.database.connection import Pool
from shared.errors import Retryable
from tests.support.fresh_servers import eventually

PARTITIONS: Final = 2
SOON_S: Final = 5.0
NO_POOL: Final[Any] = None
"""The statements are replaced: none is sent."""


class Archive:
    """Changes by partition; `failure` is raised by every look while it is set."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.heads = [0] * PARTITIONS
        self.looks = 0

    async def extent(self, _: Pool, partitions: int) -> Extent:
        self.looks += 1
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return Extent((0,) * partitions, tuple(self.heads))

    async def read(self, _: Pool, ranges: Sequence[ChangeRange]) -> list[Change]:
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return [
            Change(each.partition, number, b'{"type":"phase.changed"}')
            for each in ranges
            for number in range(each.after + 1, each.until + 1)
        ]

    async def partitions_with_old(self, *_: object) -> list[int]:
        return []


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Archive:
    archive = Archive()
    for name in ("extent", "read", "partitions_with_old"):
        monkeypatch.setattr(repository, name, getattr(archive, name))
    return archive


@pytest.fixture
async def changes(archive: Archive) -> AsyncIterator[ChangeService]:  # noqa: ARG001
    service = ChangeService(NO_POOL, PARTITIONS, days=30)
    with capture_logs():
        async with service.running(asyncio.Event()), asyncio.timeout(20):
            yield service


async def waits(changes: ChangeService, number: int = 1) -> None:
    await eventually(lambda: changes.waiting == number, every_s=0.01)


async def test_a_change_that_is_published_ends_the_wait(
    archive: Archive, changes: ChangeService
) -> None:
    polling = asyncio.create_task(changes.page("now", 100, 30))
    await waits(changes)
    archive.heads[1] = 2
    page = await polling
    assert [(change.partition, change.number) for change in page.changes] == [(1, 1), (1, 2)]
    assert not page.more


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError("a bug"), asyncpg.UndefinedTableError("it is gone"), OSError("no route")],
    ids=lambda error: type(error).__name__,
)
async def test_a_look_that_fails_ends_a_long_poll_with_an_error_that_may_pass(
    archive: Archive, changes: ChangeService, error: Exception
) -> None:
    polling = asyncio.create_task(changes.page("now", 100, 30))
    await waits(changes)
    archive.failure = error
    with pytest.raises(Retryable):
        await asyncio.wait_for(polling, SOON_S)
    archive.failure = None
    page = await changes.page("now", 100, 0)
    assert page.changes == []


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), asyncpg.UndefinedTableError("gone")])
async def test_an_error_that_nobody_foresaw_ends_streams_and_later_ones_see_what_comes(
    archive: Archive, changes: ChangeService, error: Exception
) -> None:
    beginning = await changes.start("now", "after")
    stream = changes.stream(beginning)
    await anext(stream)
    listening = asyncio.create_task(collect(stream))
    await waits(changes)
    archive.failure = error
    parts = await asyncio.wait_for(listening, SOON_S)
    assert b"data" not in b"".join(parts), "it has ended, without a change"
    failing = archive.looks
    archive.failure = None
    archive.heads[0] = 1
    later = changes.stream(beginning)
    await anext(later)
    frames = [await anext(later)]
    while b"data" not in frames[-1]:
        frames.append(await anext(later))
    assert b"phase.changed" in frames[-1]
    assert archive.looks > failing, "the feed has looked again"
    await later.aclose()


async def test_a_stream_goes_on_while_the_database_does_not_answer(
    archive: Archive, changes: ChangeService
) -> None:
    stream = changes.stream(await changes.start("now", "after"))
    await anext(stream)
    listening = asyncio.create_task(first_data(stream))
    await waits(changes)
    archive.failure = OSError("no route")
    before = archive.looks
    await eventually(lambda: archive.looks >= before + 2, every_s=0.01)
    assert not listening.done()
    archive.failure = None
    archive.heads[0] = 1
    assert b"phase.changed" in await asyncio.wait_for(listening, SOON_S)
    await stream.aclose()


async def test_the_end_of_the_process_lets_all_listeners_go(archive: Archive) -> None:
    service, stopping = ChangeService(NO_POOL, PARTITIONS, days=30), asyncio.Event()
    async with service.running(stopping), asyncio.timeout(20):
        polls = [asyncio.create_task(service.page("now", 100, 30)) for _ in range(3)]
        await waits(service, 3)
        stopping.set()
        pages = await asyncio.gather(*polls)
    assert [page.changes for page in pages] == [[], [], []]
    assert archive.looks >= 1


async def collect(stream: Any) -> list[bytes]:
    """Everything until the stream ends."""
    return [part async for part in stream]


async def first_data(stream: Any) -> bytes:
    """The first part with a change."""
    async for part in stream:
        if b"data" in part:
            found: bytes = part
            return found
    raise EOFError
