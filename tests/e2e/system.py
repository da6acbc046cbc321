"""A whole system in a home of its own, used as people use it: by command line and HTTP."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg

from shared.client.http import Client
from shared.local.ports import Ports
from tests.support.server_stack import new_home

C = TypeVar("C", bound=Client)
SERVICES: Final = 4
PATIENCE_S: Final = 400
_HISTORIES: Final = """
SELECT customer,
    array_agg((position, from_phase, to_phase, rule, occurred_at) ORDER BY position) AS moves
FROM lifecycle.transition WHERE withdrawn IS NULL GROUP BY customer
"""


def stammkunde(command: str, home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end."""
    with begun(command, home, *arguments) as process:
        told = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, *told)


@contextmanager
def begun(command: str, home: Path, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """A running command, without the settings of this environment; it is killed at the end."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("STAMMKUNDE_")}
    words = [
        sys.executable,
        "-m",
        "shared.cli.main",
        *command.split(),
        *arguments,
        "--home",
        str(home),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        words, stdout=pipe, stderr=pipe, text=True, env=env | {"COLUMNS": "100"}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def open_system(*options: str) -> Iterator[Path]:
    """The home of a system in log time that runs in the background."""
    home = new_home()
    try:
        started = stammkunde(
            "up", home, "--clock", "log", "--detach", "--port-base", str(free_base(home)), *options
        )
        assert started.returncode == 0, started.stdout + started.stderr
        yield home
    finally:
        stammkunde("down", home)
        shutil.rmtree(home, ignore_errors=True)


def free_base(home: Path) -> int:
    """A port with room for the four APIs."""
    ports = Ports(home)
    base = next(p for p in (ports.take(f"base-{n}") for n in range(50)) if p + SERVICES <= 32_000)
    ports.release()
    return base


def state(home: Path) -> Any:
    """What stack.json says."""
    return json.loads((home / "stack.json").read_text())


def client(home: Path, kind: type[C]) -> C:
    """A client of one of the services."""
    service = kind.__name__.removesuffix("Client").lower()
    return kind(state(home)["urls"][service], (home / "api-key").read_text().strip())


def query(home: Path, statement: str) -> list[Any]:
    """Rows of the system's database, read as its superuser."""

    async def read() -> list[Any]:
        connection = await asyncpg.connect(state(home)["database_url"])
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return asyncio.run(read())


class Moved(NamedTuple):
    """One step of a history."""

    position: int
    from_phase: str | None
    to_phase: str
    rule: str
    occurred_at: datetime


Moves = dict[str, list[Moved]]


def histories(home: Path) -> Moves:
    """The current history of every customer, as lifecycle's table has it."""
    return {
        row["customer"]: [Moved(*move) for move in row["moves"]] for row in query(home, _HISTORIES)
    }
