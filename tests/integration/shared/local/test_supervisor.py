"""Supervision of real processes: restarts, back-off, orderly and forced ends."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from shared.local.managed_process import ManagedProcess
from shared.local.supervisor import Program, Supervisor, pause_before_restart
from tests.support.fresh_servers import eventually

STEADY = (
    "import signal, time; print('hello', flush=True); "
    "signal.sigwait([signal.SIGTERM]); print('bye', flush=True)"
)
SHORT = "import sys; print('out of luck'); sys.exit(3)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); time.sleep(60)"
)


def program(name: str, code: str) -> Program:
    if "sigwait" in code:
        code = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); " + code
    return Program(name, (sys.executable, "-c", code), dict(os.environ))


@asynccontextmanager
async def supervising(
    home: Path, *programs: Program, told: list[str] | None = None
) -> AsyncIterator[Supervisor]:
    stop = asyncio.Event()
    said: list[str] = [] if told is None else told
    supervisor = Supervisor(programs, home, stop=stop, say=said.append, on_change=lambda _: None)
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        try:
            yield supervisor
        finally:
            stop.set()


def logged(home: Path, name: str) -> str:
    log = home / "logs" / f"{name}.log"
    return log.read_text() if log.exists() else ""


async def test_stopping_asks_first_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with supervising(tmp_path, program("a", STEADY), program("b", STEADY)) as supervisor:
        await eventually(lambda: logged(tmp_path, "a") == logged(tmp_path, "b") == "hello\n")
        pids = supervisor.pids
    assert logged(tmp_path, "a") == "hello\nbye\n"
    assert sorted(pids) == ["a", "b"]
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert list((tmp_path / "run").iterdir()) == []


async def test_a_killed_process_is_started_again_and_the_others_stay(tmp_path: Path) -> None:
    told: list[str] = []
    async with supervising(
        tmp_path, program("a", STEADY), program("b", STEADY), told=told
    ) as supervisor:
        await eventually(lambda: logged(tmp_path, "a") == logged(tmp_path, "b") == "hello\n")
        before = supervisor.pids
        os.kill(before["a"], signal.SIGKILL)
        await eventually(lambda: logged(tmp_path, "a") == "hello\nhello\n")
        after: Mapping[str, int] = supervisor.pids
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]
    assert "SIGKILL" in told[0]
    assert told[0].endswith("hello")
    assert told[1] == "a starts again in 0.5 s"


async def test_a_process_that_keeps_dying_is_started_ever_more_slowly(tmp_path: Path) -> None:
    told: list[str] = []
    async with supervising(tmp_path, program("a", SHORT), told=told) as supervisor:
        await eventually(lambda: "a starts again in 1 s" in told)
        assert supervisor.failing() == []
        await eventually(lambda: supervisor.failing() == ["a"])
    assert told[1] == "a starts again in 0.5 s"
    assert "exit code 3" in told[0]
    assert told[0].endswith("out of luck")


def test_pauses_double_up_to_ten_seconds() -> None:
    assert [pause_before_restart(n) for n in (1, 2, 3, 4, 5, 6, 7, 5000)] == [
        0.5,
        1,
        2,
        4,
        8,
        10,
        10,
        10,
    ]


async def test_a_process_that_will_not_end_is_killed(tmp_path: Path) -> None:
    child = ManagedProcess("deaf", log=tmp_path / "deaf.log", pid_file=tmp_path / "deaf.pid")
    child.spawn((sys.executable, "-c", STUBBORN), env=dict(os.environ))
    pid = child.pid
    await eventually(lambda: "deaf" in child.tail())
    await child.stop(signal.SIGTERM, patience_s=0.2)
    assert not psutil.pid_exists(pid)


async def test_cancelling_the_supervisor_still_ends_the_processes(tmp_path: Path) -> None:
    supervisor = Supervisor(
        [program("a", STEADY)],
        tmp_path,
        stop=asyncio.Event(),
        say=lambda _: None,
        on_change=lambda _: None,
    )
    running = asyncio.ensure_future(supervisor.run())
    await eventually(lambda: logged(tmp_path, "a") == "hello\n")
    pid = supervisor.pids["a"]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not psutil.pid_exists(pid)
