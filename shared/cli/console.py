"""How commands print and run: what goes wrong becomes a message and an exit code."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from shared.errors import StammkundeError, leaves

T = TypeVar("T")

console: Final = Console(highlight=False)
error_console: Final = Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Print one line, exactly as given."""
    console.print(message, markup=False, soft_wrap=True)


def note(message: str, *, style: str = "") -> None:
    """Print one line on standard error, beside the results on standard output."""
    error_console.print(message, markup=False, soft_wrap=True, style=style)


def print_json(answer: object) -> None:
    """Print nothing but JSON on standard output, for programs to read."""
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def show_table(title: str, table: Table) -> None:
    """Print a table under its title. (Rich wraps its own titles at the width of the table.)"""
    console.print(f"\n{title}", markup=False, soft_wrap=True, style="bold")
    console.print(table)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine; print each error that a person can act on and exit with 1."""
    try:
        return asyncio.run(work)
    except* StammkundeError as group:
        for error in leaves(group):
            note(f"error: {error}", style="red")
    raise typer.Exit(1)


async def until_interrupted(work: Coroutine[Any, Any, T]) -> T | None:
    """Run `work` to its end. On SIGINT or SIGTERM cancel it, let it clean up and return None."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    error_console.print("stopping …", markup=False)
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    return None
