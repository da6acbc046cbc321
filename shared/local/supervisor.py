"""Keeps the processes of the system running: starts them, restarts what dies with back-off, stops them in the end."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.clock import monotonic
from shared.local.managed_process import Child

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0
STEADY_S: Final = 30.0
"""A process that lived this long has recovered: its next death is the first again."""
DRAIN_S: Final = 10.0
HOPELESS: Final = 3


@dataclass(frozen=True, slots=True)
class Program:
    """A process to keep running: its name, command line and environment."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]


def pause_before_restart(deaths: int) -> float:
    """Seconds to wait after the n-th death in a row (n ≥ 1): doubled each time, up to a limit."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(deaths - 1, 10)))


class Supervisor:
    """Runs programs until `stop` is set; logs go to `home/logs`, pid files to `home/run`."""

    def __init__(
        self,
        programs: Sequence[Program],
        home: Path,
        *,
        stop: asyncio.Event,
        say: Callable[[str], None],
        changed: Callable[[Mapping[str, int]], None],
    ) -> None:
        self._programs = programs
        self._run = home / "run"
        self._logs = home / "logs"
        self._stop = stop
        self._say = say
        self._changed = changed
        self._pids: dict[str, int] = {}
        self._deaths: dict[str, int] = {}

    @property
    def pids(self) -> Mapping[str, int]:
        """Process ids by name, of those that run now."""
        return dict(self._pids)

    def failing(self) -> list[str]:
        """Programs that ended three times in a row or more: they cannot work as things are."""
        return [name for name, deaths in self._deaths.items() if deaths >= HOPELESS]

    async def run(self) -> None:
        """Start all, and return when `stop` was set and all have ended (SIGTERM, SIGKILL after 10 s)."""
        self._run.mkdir(parents=True, exist_ok=True)
        async with asyncio.TaskGroup() as group:
            for program in self._programs:
                group.create_task(self._keep(program))

    async def _keep(self, program: Program) -> None:
        while not self._stop.is_set():
            lived = await self._live(program)
            if self._stop.is_set():
                return
            deaths = 1 if lived > STEADY_S else self._deaths.get(program.name, 0) + 1
            self._deaths[program.name] = deaths
            pause = pause_before_restart(deaths)
            self._say(f"{program.name} is started again in {pause:g} s")
            await self._stopped_within(pause)

    async def _live(self, program: Program) -> float:
        """One life of a program, from start to end; how many seconds it lasted."""
        child = Child(
            program.name,
            log=self._logs / f"{program.name}.log",
            pid_file=self._run / f"{program.name}.pid",
        )
        began = monotonic()
        child.spawn(program.command, env=program.env)
        self._note(program.name, child.pid)
        try:
            while child.is_alive and not self._stop.is_set():
                await self._stopped_within(0.1)
            if not child.is_alive:
                self._say(
                    f"{program.name} ended ({child.ending}); its log {child.log} ends with:\n{child.tail()}"
                )
        finally:
            await child.stop(signal.SIGTERM, patience_s=DRAIN_S)
            self._note(program.name, None)
        return monotonic() - began

    def _note(self, name: str, pid: int | None) -> None:
        if pid is None:
            self._pids.pop(name, None)
        else:
            self._pids[name] = pid
        self._changed(self.pids)

    async def _stopped_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
