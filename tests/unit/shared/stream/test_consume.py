"""Sessions follow one another: after which failures, and after how long."""

import asyncio
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from shared.errors import Fenced, Misconfigured, Retryable
from shared.settings import Settings
from shared.stream import consume as module
from shared.stream.consume import consume
from shared.stream.handler import Subscription

SUBSCRIPTION = Subscription("lifecycle", ("a",), ("a",))
SETTINGS = Settings(kafka_bootstrap="-", database_url="-", api_key=SecretStr("key-of-the-tests"))


class Loop:
    """Sessions that end as told, each after so many seconds, and the pauses between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.endings: Iterator[tuple[float, Exception | None]] = iter(())
        self.pauses = list[float]()
        self.sessions = list[object]()
        self.seconds = 0.0
        self.stop = asyncio.Event()
        monkeypatch.setattr(module, "monotonic", lambda: self.seconds)
        monkeypatch.setattr(module, "wait", self._wait)
        monkeypatch.setattr(module, "Session", lambda *_: self)

    async def run(self, *_: object) -> None:
        lasted, error = next(self.endings, (0.0, None))
        self.seconds += lasted
        if error is None:
            self.stop.set()
        else:
            raise error

    async def _wait(self, _: asyncio.Event, seconds: float) -> None:
        self.pauses.append(seconds)

    async def consume(self, *endings: tuple[float, Exception]) -> None:
        self.endings = iter(endings)
        await consume(
            SUBSCRIPTION,
            SETTINGS,
            lambda _: pytest.fail("no handler"),
            self.stop,
            self.sessions.append,
        )


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    return Loop(monkeypatch)


async def test_after_each_failure_the_pause_is_twice_as_long_up_to_five_seconds(loop: Loop) -> None:
    await loop.consume(*[(1.0, Retryable("no"))] * 7)
    assert loop.pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert len(loop.sessions) == 8


async def test_after_a_session_that_lasted_the_pauses_begin_anew(loop: Loop) -> None:
    await loop.consume((1, Retryable("no")), (1, Fenced("gone")), (31, Retryable("no")))
    assert loop.pauses == [0.2, 0.4, 0.2]


async def test_failures_in_groups_are_tried_again_like_single_ones(loop: Loop) -> None:
    await loop.consume((1, ExceptionGroup("both", [Retryable("no"), Fenced("gone")])))
    assert loop.pauses == [0.2]


async def test_what_cannot_be_mended_by_another_session_comes_out(loop: Loop) -> None:
    failure = ExceptionGroup("both", [Retryable("no"), Misconfigured("read me")])
    with pytest.raises(ExceptionGroup) as caught:
        await loop.consume((1, failure))
    assert caught.group_contains(Misconfigured, match="read me")
    assert not caught.group_contains(Retryable)
    assert loop.pauses == []


async def test_without_a_failure_there_is_one_session(loop: Loop) -> None:
    await loop.consume()
    assert (len(loop.sessions), loop.pauses) == (1, [])
