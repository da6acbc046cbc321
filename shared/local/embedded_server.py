"""What the embedded servers have in common: a process, a port and a folder."""

import asyncio
import shutil
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Final

from shared.clock import monotonic
from shared.errors import Retryable
from shared.local.managed_process import ManagedProcess, reclaim
from shared.local.ports import Ports

STOP_S: Final = 20.0


class EmbeddedServer(ABC):
    """A server under a home folder.

    `stop`, `kill` and `start` again keep the data and, within this process, the port.
    """

    title: ClassVar[str]
    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    started_within_s: ClassVar[float]
    poll_every_s: ClassVar[float]

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._folder = self._home / self.name
        self._pid_file = self._folder / f"{self.name}.pid"
        log = self._home / "logs" / f"{self.name}.log"
        self._process = ManagedProcess(self.title, log=log, pid_file=self._pid_file)
        self._ports: Ports | None = None
        self._port = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive

    async def start(self) -> None:
        """Start on the remembered port and data; return when the server answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        await self._reclaim()
        await self._launch()
        await self._wait_until_ready()

    async def stop(self) -> None:
        """Shut down in order; kill after 20 s."""
        await self._process.stop(self.stop_signal, patience_s=STOP_S)
        self._release_ports()

    async def kill(self) -> None:
        """Kill the server and all its processes, as a crash; keep the ports for the restart."""
        await self._process.kill()

    async def restart(self) -> None:
        """Start again on the same port and data, after `kill` or while running."""
        if self.is_alive:
            await self._process.stop(self.stop_signal, patience_s=STOP_S)
        await self.start()

    async def wipe(self) -> None:
        """Stop, and remove all data."""
        await self.stop()
        await self._reclaim()
        # The data may be linked from elsewhere.
        for folder in ((self._folder / "data").resolve(), self._folder):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    @abstractmethod
    async def _launch(self) -> None:
        """Prepare the data and spawn the process."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Whether the server answers."""

    @property
    @abstractmethod
    def _mark(self) -> str:
        """A path in the command line or environment of this server's process alone."""

    async def _reclaim(self) -> None:
        """Stop a server that a killed supervisor left running."""
        await asyncio.to_thread(reclaim, self._pid_file, self._mark, how=self.stop_signal)

    async def _wait_until_ready(self) -> None:
        deadline = monotonic() + self.started_within_s
        while not await self._answers():
            if not self._process.is_alive or monotonic() > deadline:
                end_of_log = self._process.tail()
                await self._process.kill()
                raise Retryable(
                    f"{self.title} did not start; "
                    f"its log {self._process.log} ends with:\n{end_of_log}"
                )
            await asyncio.sleep(self.poll_every_s)

    def _take_port(self, name: str) -> int:
        self._ports = self._ports or Ports(self._home)
        return self._ports.take(name)

    def _release_ports(self) -> None:
        if self._ports is not None:
            self._ports.release()
            self._ports = None
