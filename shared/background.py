"""Work that a process does again and again beside its requests; failures are tried again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import structlog

from shared import metrics
from shared.aio import in_background, wait
from shared.error_texts import describe
from shared.errors import Retryable

log = structlog.get_logger()

Work: TypeAlias = Callable[[], Awaitable[object]]
Pause: TypeAlias = float | Callable[[], float]

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0


class Periodic:
    """Runs `work` in rounds, with pauses between them, in one task.

    If a round raises anything, this is logged and counted, and the round is tried again: the pauses
    between failures double from `first_retry_s` up to `longest_retry_s`. The error never reaches
    the process that serves.

    `pause` is the seconds between two rounds, or a function that returns them after each round.
    Without `at_once`, the first round comes after a pause.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        *,
        pause: Pause,
        at_once: bool = True,
        first_retry_s: float = FIRST_RETRY_S,
        longest_retry_s: float = LONGEST_RETRY_S,
    ) -> None:
        self.name: Final = name
        self.failures = 0
        """Rounds that have failed since one succeeded."""
        self._work: Final = work
        self._pause: Final = pause
        self._at_once: Final = at_once
        self._first_retry_s: Final = first_retry_s
        self._longest_retry_s: Final = longest_retry_s
        self._woken: Final = asyncio.Event()
        self._stopped = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run rounds while the block runs; its end cancels a round under way, and waits for it."""
        async with in_background(self.run()):
            yield

    async def run(self) -> None:
        """Run rounds until `stop` is called; a round under way is finished first."""
        work = self._work if self._at_once else _nothing
        while not self._stopped:
            self._woken.clear()
            pause = await self._round(work)
            work = self._work
            await wait(self._woken, pause)

    def wake(self) -> None:
        """Begin the next round now, or as soon as the one under way has ended."""
        self._woken.set()

    def stop(self) -> None:
        """Let `run` return: at once, or when the round under way has ended."""
        self._stopped = True
        self._woken.set()

    async def _round(self, work: Work) -> float:
        """Run one round; returns the seconds until the next."""
        try:
            await work()
            pause = self._pause() if callable(self._pause) else self._pause
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            # Something that the work awaited was cancelled, not this task: a failure like others.
            return self._failed(error)
        except Exception as error:  # noqa: BLE001  (whatever it is, the process goes on serving)
            return self._failed(error)
        self.failures = 0
        return pause

    def _failed(self, error: BaseException) -> float:
        """Report a failure; returns the seconds until the next round."""
        retry_s = min(self._longest_retry_s, self._first_retry_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        metrics.BACKGROUND_FAILURES.labels(self.name).inc()
        reason = describe(error)
        if isinstance(error, Retryable):
            log.warning("background.postponed", work=self.name, reason=reason, retry_s=retry_s)
        else:
            log.error(
                "background.failed", work=self.name, reason=reason, retry_s=retry_s, exc_info=error
            )
        return retry_s


async def _nothing() -> None:
    """Stand in for the first round of work that does not begin at once."""


def _is_cancelled() -> bool:
    """Was the running task itself asked to end?"""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
