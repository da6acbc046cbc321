"""Runs queued simulations beside the API, each in a process of its own, a few at a time."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import UUID

from services.lifecycle.simulations import repository
from shared import clock
from shared.background import Periodic
from shared.database.connection import Pool, retryable_errors
from shared.errors import Retryable

LOOK_EVERY_S: Final = 2.0
LONGEST_RETRY_S: Final = 10.0
END_WITHIN_S: Final = 3.0
AT_ONCE: Final = 1
TRY_LATER: Final = 75
"""The exit code of a process that has begun nothing: the same may succeed later."""
STOPPED: Final = "the service was stopped while it ran; ask for it again"
FOUND_DEAD: Final = "its process has ended without a word; ask for it again"
_COMMAND: Final = (sys.executable, "-m", "services.lifecycle.simulations.process")


class SimulationRunner:
    """Starts and ends the processes of this API process; several API processes share the queue."""

    def __init__(self, pool: Pool, *, at_once: int = AT_ONCE) -> None:
        self._pool: Final = pool
        self._at_once: Final = at_once
        self._processes: Final[dict[UUID, Process]] = {}
        self._exit_codes: Final[dict[UUID, int]] = {}
        self._watchers: Final = asyncio.TaskGroup()
        self._work: Final = Periodic(
            "simulations",
            self._advance_queue,
            pause=LOOK_EVERY_S,
            longest_retry_s=LONGEST_RETRY_S,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run what is queued while the block runs; a simulation that runs at its end has failed."""
        async with self._watchers:
            work = self._watchers.create_task(self._work.run())
            try:
                yield
            finally:
                self._work.stop()
                await asyncio.wait({work})
                await self._end_all()

    def wake(self) -> None:
        """Look into the queue now: it has changed."""
        self._work.wake()

    def stop(self, id: UUID) -> None:
        """End the process of a cancelled simulation, if it is one of this API process."""
        process = self._processes.get(id)
        if process is not None:
            with suppress(ProcessLookupError):
                process.terminate()

    async def _advance_queue(self) -> None:
        """Note which processes have ended, and start the next one."""
        with retryable_errors():
            for id, code in list(self._exit_codes.items()):
                await self._note_exit(id, code)
            for id in await repository.orphans(self._pool, list(self._processes)):
                await repository.fail(self._pool, id, FOUND_DEAD, clock.now())
            await self._start_next()

    async def _note_exit(self, id: UUID, code: int) -> None:
        if code != 0:
            await repository.fail(self._pool, id, _describe_exit(code), clock.now())
        del self._exit_codes[id]
        del self._processes[id]

    async def _start_next(self) -> None:
        own = list(self._processes)
        if len(own) >= self._at_once:
            return
        id = await repository.next_queued(self._pool, own, at_once=self._at_once)
        if id is None:
            return
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, str(id), "--leashed", stdin=PIPE, start_new_session=True
        )
        self._processes[id] = process
        self._watchers.create_task(self._watch(id, process))

    async def _watch(self, id: UUID, process: Process) -> None:
        code = await process.wait()
        if code == TRY_LATER:
            del self._processes[id]
        else:
            self._exit_codes[id] = code
            self._work.wake()

    async def _end_all(self) -> None:
        """End all processes, after storing that their simulations have failed."""
        for id, process in list(self._processes.items()):
            with suppress(Retryable), retryable_errors():
                await repository.fail(self._pool, id, STOPPED, clock.now())
            self.stop(id)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_WITHIN_S)
            if process.returncode is None:
                process.kill()


def _describe_exit(code: int) -> str:
    how = f"exit code {code}" if code > 0 else signal.Signals(-code).name
    return f"its process ended with {how}"
