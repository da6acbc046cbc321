"""What all commands share: the home folder, the console, and errors turned into a message and an exit code."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from shared.errors import StammkundeError
from shared.local.home import Home, StackState
from shared.local.settings import LocalSettings

T = TypeVar("T")

console: Final = Console(highlight=False)
problems: Final = Console(stderr=True, highlight=False)

HomeOption = Annotated[
    Path,
    typer.Option(
        "--home", envvar="STAMMKUNDE_HOME", help="Folder of this stack: data, logs, key, addresses."
    ),
]
PortBaseOption = Annotated[
    int | None,
    typer.Option(
        "--port-base",
        min=1,
        max=65532,
        help="Port of ingest; lifecycle, reactivation and referral take the next three. "
        "Default: the one last used in this home, else 8001.",
    ),
]
PATIENCE_S: Final = 5.0
"""How long a command waits for a service that does not answer."""
DEFAULT_HOME: Final = Path(".stammkunde")


def say(message: str) -> None:
    """One line of progress."""
    console.print(message, markup=False, soft_wrap=True)


def print_json(answer: object) -> None:
    """For programs: nothing but JSON on standard output."""
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def show(title: str, table: Table) -> None:
    """A table under its title (rich's own titles wrap at the width of the table)."""
    console.print(f"\n{title}", markup=False, soft_wrap=True, style="bold")
    console.print(table)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine; what a person can act on is printed, and the exit code is then 1."""
    try:
        return asyncio.run(work)
    except* StammkundeError as group:
        for error in _leaves(group):
            problems.print(f"error: {error}", markup=False, style="red", soft_wrap=True)
    raise typer.Exit(1)


async def until_interrupted(work: Coroutine[Any, Any, T]) -> T | None:
    """Run `work` until it ends or SIGINT or SIGTERM arrives; then it is cancelled, cleans up, and None is returned."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        problems.print("stopping …", markup=False)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        return None
    return working.result()


def running(home: Path) -> tuple[StackState, str]:
    """The state of the stack that runs in this home, and its API key."""
    place = Home(home)
    state = place.running()
    return state, place.api_key(LocalSettings().key)


def _leaves(group: BaseExceptionGroup[StammkundeError]) -> list[StammkundeError]:
    found: list[StammkundeError] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
