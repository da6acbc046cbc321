"""Runs queued simulations beside the API: each in a process of its own, so many at a time."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import UUID

import structlog

from services.lifecycle.simulations import repository
from services.lifecycle.simulations.repository import LATER
from shared import clock
from shared.aio import wait
from shared.database import connection as db
from shared.database.connection import Pool
from shared.errors import Retryable

log = structlog.get_logger()

LOOK_EVERY_S: Final = 2.0
END_WITHIN_S: Final = 3.0
AT_ONCE: Final = 1
STOPPED: Final = "the service was stopped while it ran; ask for it again"
FOUND_DEAD: Final = "its process has ended without a word; ask for it again"


class SimulationRunner:
    """The processes of this API process. Several API processes share the queue; `woken` says that it has changed."""

    def __init__(self, pool: Pool, *, at_once: int = AT_ONCE) -> None:
        self.woken = asyncio.Event()
        self._pool = pool
        self._at_once = at_once
        self._processes: dict[UUID, asyncio.subprocess.Process] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Works off the queue until the block ends; what runs then has failed."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._work(group, stop))
            try:
                yield
            finally:
                stop.set()
                self.woken.set()
                await asyncio.wait({work})
                await self._end_all()

    def stop(self, id: UUID) -> None:
        """End the process of a simulation, if it is ours: it was cancelled."""
        process = self._processes.get(id)
        if process is not None:
            with suppress(ProcessLookupError):
                process.terminate()

    async def _work(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.woken.clear()
            try:
                with db.sorting_errors():
                    await self._bury()
                    await self._start_next(group)
            except Retryable as error:
                log.warning("simulations.waiting", error=str(error))
            if not stop.is_set():
                await wait(self.woken, LOOK_EVERY_S)

    async def _bury(self) -> None:
        for dead in await repository.orphans(self._pool, list(self._processes)):
            await repository.fail(self._pool, dead, FOUND_DEAD, clock.now())

    async def _start_next(self, group: asyncio.TaskGroup) -> None:
        if len(self._processes) >= self._at_once:
            return
        id = await repository.next_queued(self._pool, list(self._processes), at_once=self._at_once)
        if id is not None:
            command = (
                sys.executable,
                "-m",
                "services.lifecycle.simulations.process",
                str(id),
                "--leashed",
            )
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, start_new_session=True
            )
            self._processes[id] = process
            group.create_task(self._watch(id, process))

    async def _watch(self, id: UUID, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        try:
            with db.sorting_errors():
                if code not in (0, LATER):
                    await repository.fail(self._pool, id, _ending(code), clock.now())
        except Retryable as error:
            log.warning("simulations.waiting", error=str(error))
        del self._processes[id]
        if code != LATER:
            self.woken.set()

    async def _end_all(self) -> None:
        ending = dict(self._processes)
        for id, process in ending.items():
            with suppress(Retryable), db.sorting_errors():
                await repository.fail(self._pool, id, STOPPED, clock.now())
            self.stop(id)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_WITHIN_S)
            if process.returncode is None:
                process.kill()


def _ending(code: int) -> str:
    how = f"exit code {code}" if code > 0 else signal.Signals(-code).name
    return f"its process ended with {how}"
