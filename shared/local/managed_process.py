"""A long-running process with a log and a pid file, which is found again after a crash."""

import asyncio
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from shared.clock import monotonic
from shared.errors import Misconfigured


class ManagedProcess:
    """One process, in its own session: Ctrl-C does not reach it, its supervisor stops it."""

    def __init__(self, name: str, *, log: Path, pid_file: Path) -> None:
        self.name = name
        self.log = log
        self._pid_file = pid_file
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The process id. Raises Misconfigured if it is not running."""
        if self._process is None:
            raise Misconfigured(f"{self.name} is not running")
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def ending(self) -> str:
        """How the process ended, in words."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return "still running"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def spawn(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        user: int | None = None,
        group: int | None = None,
    ) -> None:
        """Start the command, appending what it prints to the log, and remember its pid on disk."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                command,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                user=user,
                group=group,
                extra_groups=None if user is None else [],
            )
        self._pid_file.write_text(str(self._process.pid))

    async def stop(self, signal_: signal.Signals, *, patience_s: float) -> None:
        """Ask the process to end; SIGKILL if it is still there after `patience_s`."""
        if self.is_alive:
            self._send(signal_)
            if not await self._has_ended_within(patience_s):
                await self.kill()
        self._forget()

    async def kill(self) -> None:
        """SIGKILL the process and its descendants, and wait until they are gone."""
        if self._process is None:
            return
        family = _family(self._process.pid)
        for member in family:
            _kill(member)
        await asyncio.to_thread(self._process.wait)
        await asyncio.to_thread(psutil.wait_procs, family, timeout=10)
        self._forget()

    def tail(self, lines: int = 15) -> str:
        """The last lines that the present process wrote to the log."""
        return tail(self.log, lines, begin=self._log_start)

    def _send(self, signal_: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal_)

    async def _has_ended_within(self, seconds: float) -> bool:
        deadline = monotonic() + seconds
        while self.is_alive:
            if monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def _forget(self) -> None:
        self._process = None
        self._pid_file.unlink(missing_ok=True)


def tail(log: Path, lines: int = 15, *, begin: int = 0) -> str:
    """The last lines of a log file, from byte `begin` on; empty if there is none."""
    if not log.exists():
        return ""
    text = log.read_bytes()[begin:].decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


def reclaim(
    pid_file: Path, mark: str, *, how: signal.Signals = signal.SIGTERM, patience_s: float = 15
) -> bool:
    """Stop a process that a killed supervisor left running; returns whether there was one.

    `mark` is a path that only this stack uses. Without it in the command line or environment, the
    process is somebody else's and stays.
    """
    if not pid_file.exists():
        return False
    leftover = _marked_process(pid_file.read_text().strip(), mark)
    if leftover is not None:
        family = _family(leftover.pid)
        leftover.send_signal(how)
        _, stubborn = psutil.wait_procs([leftover], timeout=patience_s)
        for member in family if stubborn else []:
            _kill(member)
        psutil.wait_procs(family, timeout=patience_s)
    pid_file.unlink(missing_ok=True)
    return leftover is not None


def _marked_process(pid: str, mark: str) -> psutil.Process | None:
    try:
        process = psutil.Process(int(pid))
        proof = [*process.cmdline(), *process.environ().values()]
    except (psutil.Error, ValueError):
        return None
    return process if any(mark in text for text in proof) else None


def _family(pid: int) -> list[psutil.Process]:
    try:
        head = psutil.Process(pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
