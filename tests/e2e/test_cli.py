"""The command line against a whole stack of its own: up, replay, reads, a crash of the supervisor, down."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.local.ports import Ports
from tests.stack import new_home

SERVICES = 4


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The home of a stack in log time, started in the background."""
    folder = new_home()
    ports = Ports(folder)
    base = next(p for p in (ports.take(f"base-{n}") for n in range(50)) if p + SERVICES <= 32_000)
    ports.release()
    started = stammkunde("up", folder, "--clock", "log", "--detach", "--port-base", str(base))
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield folder
    finally:
        stammkunde("down", folder)
        shutil.rmtree(folder, ignore_errors=True)


def stammkunde(command: str, home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run one command; servers that the environment names are not this stack's."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("STAMMKUNDE_")}
    return subprocess.run(
        [sys.executable, "-m", "shared.cli.main", command, *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env=env,
    )


def state(home: Path) -> Any:
    return json.loads((home / "stack.json").read_text())


def order(number: int, time: str) -> str:
    total = {"amount": 1000, "currency": "EUR"}
    data = {"order_id": f"o{number}", "total": total}
    event = {"specversion": "1.0", "id": f"e{number}", "source": "/t", "type": "order.completed", "time": time}
    return json.dumps({**event, "subject": "c1", "data": data})


def test_a_replayed_log_is_worked_off_when_the_command_returns(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text(order(1, "2024-01-01T12:00:00Z") + "\n" + order(2, "2024-01-03T12:00:00Z") + "\n")
    replayed = stammkunde("replay", home, str(log), "--until", "2024-05-01T00:00:00Z")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "2 events accepted, 0 rejected" in replayed.stdout

    customer = json.loads(stammkunde("customer", home, "c1", "--json").stdout)
    assert (customer["orders"], customer["phase"], customer["as_of"]) == (2, "at_risk", "2024-05-01T00:00:00Z")
    phases = json.loads(stammkunde("phases", home, "--json").stdout)
    assert {phase: n for phase, n in phases["counts"].items() if n} == {"at_risk": 1}


def test_a_rejected_event_is_shown_and_makes_the_command_fail(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text(order(3, "2024-05-02T12:00:00Z") + "\n" + '{"id": "bad"}' + "\n")
    replayed = stammkunde("replay", home, str(log))
    assert replayed.returncode == 1
    assert "1 events accepted, 1 rejected" in replayed.stdout
    assert "bad" in replayed.stdout


def test_a_second_stack_in_the_same_home_is_refused(home: Path) -> None:
    again = stammkunde("up", home, "--clock", "log")
    assert again.returncode == 1
    assert "already running" in again.stderr


def test_after_a_kill_of_the_supervisor_the_next_start_recovers_everything(home: Path) -> None:
    before = state(home)
    os.kill(before["supervisor_pid"], signal.SIGKILL)
    assert all(psutil.pid_exists(pid) for pid in before["pids"].values())

    started = stammkunde("up", home, "--clock", "log", "--detach")
    assert started.returncode == 0, started.stdout + started.stderr
    after = state(home)
    assert after["urls"]["ingest"] == before["urls"]["ingest"]
    assert not any(psutil.pid_exists(pid) for pid in before["pids"].values())
    assert json.loads(stammkunde("customer", home, "c1", "--json").stdout)["orders"] == 3


def test_down_leaves_nothing_running(home: Path) -> None:
    pids = state(home)["pids"].values()
    assert stammkunde("down", home).returncode == 0
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert stammkunde("status", home).returncode == 1
