"""Keeps processes running: starts them, restarts those that die with back-off, stops them."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.clock import monotonic
from shared.local.managed_process import ManagedProcess

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0
STEADY_S: Final = 30.0
"""A process that lived this long has recovered: its next death counts as the first."""
DRAIN_S: Final = 10.0
HOPELESS_DEATHS: Final = 3
"""So many deaths in a row mean that a process cannot work as things are."""


@dataclass(frozen=True, slots=True)
class Program:
    """A process to keep running: its name, command line and environment."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]


def pause_before_restart(deaths: int) -> float:
    """Seconds to wait after the n-th death in a row (n ≥ 1): doubled each time up to a limit."""
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
        on_change: Callable[[Mapping[str, int]], None],
    ) -> None:
        self._programs = programs
        self._run = home / "run"
        self._logs = home / "logs"
        self._stop = stop
        self._say = say
        self._on_change = on_change
        self._pids: dict[str, int] = {}
        self._deaths: dict[str, int] = {}

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids of programs that run now, by name."""
        return dict(self._pids)

    def failing(self) -> list[str]:
        """The programs that ended three times in a row or more."""
        return [name for name, deaths in self._deaths.items() if deaths >= HOPELESS_DEATHS]

    async def run(self) -> None:
        """Run all programs until `stop` is set and all have ended (SIGTERM, SIGKILL after 10 s)."""
        self._run.mkdir(parents=True, exist_ok=True)
        async with asyncio.TaskGroup() as group:
            for program in self._programs:
                group.create_task(self._keep(program))

    async def _keep(self, program: Program) -> None:
        while not self._stop.is_set():
            seconds = await self._run_once(program)
            if self._stop.is_set():
                return
            deaths = 1 if seconds > STEADY_S else self._deaths.get(program.name, 0) + 1
            self._deaths[program.name] = deaths
            pause = pause_before_restart(deaths)
            self._say(f"{program.name} starts again in {pause:g} s")
            await self._wait_for_stop(pause)

    async def _run_once(self, program: Program) -> float:
        """Run a program until it ends or is stopped; returns the seconds that it ran."""
        process = ManagedProcess(
            program.name,
            log=self._logs / f"{program.name}.log",
            pid_file=self._run / f"{program.name}.pid",
        )
        began = monotonic()
        process.spawn(program.command, env=program.env)
        self._set_pid(program.name, process.pid)
        try:
            while process.is_alive and not self._stop.is_set():
                await self._wait_for_stop(0.1)
            if not process.is_alive:
                self._say(
                    f"{program.name} ended ({process.ending}); "
                    f"its log {process.log} ends with:\n{process.tail()}"
                )
        finally:
            await process.stop(signal.SIGTERM, patience_s=DRAIN_S)
            self._set_pid(program.name, None)
        return monotonic() - began

    def _set_pid(self, name: str, pid: int | None) -> None:
        if pid is None:
            self._pids.pop(name, None)
        else:
            self._pids[name] = pid
        self._on_change(self.pids)

    async def _wait_for_stop(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
