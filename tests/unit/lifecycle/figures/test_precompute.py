"""The rests between rounds of figures computed ahead, by a clock that the test sets."""

import asyncio
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from services.lifecycle.figures import precompute
from services.lifecycle.figures.precompute import INTERVAL_S, REST, Precomputation
from shared.errors import Retryable

WORKED_S: Final = 60.0
NOT_ASKED: Final[Any] = None


@pytest.mark.parametrize(
    "error", [None, Retryable("too slow"), ZeroDivisionError("a figure")], ids=str
)
async def test_the_database_is_left_to_others_for_long_after_long_work_however_it_ended(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    rests = list[float]()
    rested = asyncio.Event()

    async def work() -> int:
        nonlocal seconds
        seconds += WORKED_S
        if error:
            raise error
        return 0

    async def rest(_: asyncio.Event, pause: float) -> None:
        rests.append(pause)
        rested.set()
        await asyncio.Event().wait()

    precomputation = Precomputation(NOT_ASKED, NOT_ASKED)
    monkeypatch.setattr(precomputation, "look", work)
    monkeypatch.setattr(precompute, "monotonic", lambda: seconds)
    monkeypatch.setattr(precompute, "wait", rest)
    with capture_logs():
        looking = asyncio.create_task(precomputation.look_and_rest())
        async with asyncio.timeout(5):
            await rested.wait()
        looking.cancel()
        await asyncio.wait({looking})
    assert rests == [REST * WORKED_S - INTERVAL_S]
