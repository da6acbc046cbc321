"""Periodic work: rounds, pauses and back-off; whatever a round raises, the process goes on
serving.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared import background
from shared.background import Periodic
from shared.error_texts import describe
from shared.errors import Retryable
from shared.http import create_app
from tests.support.fresh_servers import eventually
from tests.support.parcel_app import KEY, served, settings

HOUR_S: Final = 3600.0
NAME: Final = "arithmetic"


class Rounds:
    """Work that counts its rounds; the first ones raise what they are given."""

    def __init__(self, *errors: BaseException) -> None:
        self.number = 0
        self._errors = list(errors)

    async def __call__(self) -> None:
        self.number += 1
        await asyncio.sleep(0)
        if self._errors:
            raise self._errors.pop(0)

    def reached(self, number: int) -> Callable[[], bool]:
        return lambda: self.number >= number


async def divide() -> None:
    await asyncio.sleep(0)
    _ = 1 / 0


def failures(name: str) -> float:
    return REGISTRY.get_sample_value("stammkunde_background_failures_total", {"work": name}) or 0.0


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each wait was meant to be; none takes any time."""
    found: list[float] = []

    async def at_once(_: asyncio.Event, seconds: float) -> None:
        found.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(background, "wait", at_once)
    return found


async def run_until(periodic: Periodic, condition: Callable[[], bool]) -> None:
    async with periodic.running():
        await eventually(condition, every_s=0)


async def test_rounds_come_again_and_again_until_the_block_ends() -> None:
    rounds = Rounds()
    await run_until(Periodic(NAME, rounds, pause=0.001), rounds.reached(5))
    ended = rounds.number
    await asyncio.sleep(0.01)
    assert rounds.number == ended


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("division by zero"),
        Retryable("the database does not answer"),
        asyncpg.UndefinedTableError("it is gone"),
        ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
        asyncio.CancelledError("somebody else's task"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_round_raises_is_logged_counted_and_tried_again(
    error: BaseException, waits: list[float]
) -> None:
    rounds, before = Rounds(error), failures(NAME)
    with capture_logs() as logs:
        await run_until(Periodic(NAME, rounds, pause=HOUR_S), rounds.reached(3))
    assert failures(NAME) == before + 1
    (line,) = logs
    assert line["work"] == NAME
    assert line["reason"] == describe(error)
    passing = isinstance(error, Retryable)
    assert (line["event"], line["log_level"]) == (
        ("background.postponed", "warning") if passing else ("background.failed", "error")
    )
    assert waits[:2] == [background.FIRST_RETRY_S, HOUR_S]


async def test_the_pauses_between_failures_double_up_to_a_bound_and_begin_anew(
    waits: list[float],
) -> None:
    fails = [ZeroDivisionError()] * 6
    rounds = Rounds(*fails)
    periodic = Periodic(NAME, rounds, pause=HOUR_S, first_retry_s=0.5, longest_retry_s=5.0)
    await run_until(periodic, rounds.reached(8))
    assert waits[:7] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, HOUR_S]
    rounds = Rounds(ZeroDivisionError())
    periodic = Periodic(NAME, rounds, pause=HOUR_S)
    waits.clear()
    await run_until(periodic, rounds.reached(3))
    assert periodic.failures == 0
    assert waits[:2] == [background.FIRST_RETRY_S, HOUR_S]


async def test_ten_thousand_failures_do_not_overflow_the_back_off(waits: list[float]) -> None:
    periodic = Periodic(NAME, divide, pause=HOUR_S)
    with capture_logs():
        await run_until(periodic, lambda: periodic.failures > 2000)
    assert max(waits) == background.LONGEST_RETRY_S


async def test_a_pause_is_asked_for_after_each_round_and_may_fail_as_well(
    waits: list[float],
) -> None:
    pauses: list[Callable[[], float]] = [lambda: 7.0, lambda: 1 / 0, lambda: 9.0]
    rounds = Rounds()
    periodic = Periodic(NAME, rounds, pause=lambda: pauses.pop(0)() if pauses else HOUR_S)
    await run_until(periodic, rounds.reached(4))
    assert waits[:3] == [7.0, background.FIRST_RETRY_S, 9.0]


async def test_work_that_does_not_begin_at_once_pauses_first(waits: list[float]) -> None:
    rounds = Rounds()
    seen: list[int] = []

    def pause() -> float:
        seen.append(rounds.number)
        return 3.0

    await run_until(Periodic(NAME, rounds, pause=pause, at_once=False), rounds.reached(2))
    assert seen[:2] == [0, 1]
    assert waits[0] == 3.0


async def test_waking_ends_a_pause_and_is_not_lost_during_a_round() -> None:
    begun, proceed = asyncio.Event(), asyncio.Event()
    number = 0

    async def work() -> None:
        nonlocal number
        number += 1
        begun.set()
        await proceed.wait()

    periodic = Periodic(NAME, work, pause=HOUR_S)
    async with periodic.running(), asyncio.timeout(10):
        await begun.wait()
        periodic.wake()
        proceed.set()
        await eventually(lambda: number == 2, what="woken during the first round")
        await asyncio.sleep(0.01)
        assert number == 2, "one wake, one round"
        periodic.wake()
        await eventually(lambda: number == 3, what="woken in the pause")


async def test_waking_ends_a_back_off() -> None:
    rounds = Rounds(ZeroDivisionError())
    periodic = Periodic(NAME, rounds, pause=HOUR_S, first_retry_s=HOUR_S, longest_retry_s=HOUR_S)
    async with periodic.running():
        await eventually(lambda: periodic.failures == 1)
        periodic.wake()
        await eventually(rounds.reached(2))


@pytest.mark.parametrize("when", ["in a round", "in a pause", "in a back-off"])
async def test_the_end_of_the_block_is_waited_for_and_leaves_no_task(when: str) -> None:
    released = False

    async def long() -> None:
        nonlocal released
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            released = True

    works: dict[str, Callable[[], Awaitable[None]]] = {
        "in a round": long,
        "in a pause": Rounds(),
        "in a back-off": divide,
    }
    before = asyncio.all_tasks()
    with capture_logs():
        async with Periodic(NAME, works[when], pause=HOUR_S, first_retry_s=HOUR_S).running():
            await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before
    assert released == (when == "in a round")


async def test_stopping_finishes_the_round_under_way_and_begins_no_other() -> None:
    proceed, finished = asyncio.Event(), 0

    async def work() -> None:
        nonlocal finished
        await proceed.wait()
        finished += 1

    periodic = Periodic(NAME, work, pause=HOUR_S)
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        running = group.create_task(periodic.run())
        await asyncio.sleep(0)
        periodic.stop()
        await asyncio.sleep(0.01)
        assert not running.done()
        proceed.set()
        await running
    assert finished == 1
    async with asyncio.timeout(1):
        await periodic.run()
    assert finished == 1, "stopped for good"


async def test_an_application_whose_background_work_raises_answers_all_the_same() -> None:
    periodic = Periodic("figure", divide, pause=HOUR_S, first_retry_s=0.001, longest_retry_s=0.002)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with periodic.running():
            yield

    router = APIRouter()

    @router.get("/v1/answer")
    async def answer() -> int:
        return 42

    async def still_answers(client: httpx.AsyncClient) -> None:
        assert (await client.get("/livez")).is_success
        assert (await client.get("/v1/answer")).json() == 42

    app = create_app(service="test", settings=settings(), routers=[router], lifespan=lifespan)
    with capture_logs():
        async with served(app) as client:
            for number in (1, 5, 25):
                await eventually(lambda number=number: periodic.failures >= number)  # type: ignore[misc]
                await still_answers(client)
            metrics = (await client.get("/metrics", headers=KEY)).text
    assert 'stammkunde_background_failures_total{work="figure"}' in metrics
