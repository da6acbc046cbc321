"""`stammkunde replay`: send a file of events through the running system."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from shared.cli.console import run, until_interrupted
from shared.cli.options import DEFAULT_HOME, HomeOption
from shared.cli.replay.log_file import read_lines
from shared.cli.replay.plan import steps
from shared.cli.replay.progress import EventProgress
from shared.cli.replay.report import show_tally
from shared.cli.replay.sender import Sender, Tally
from shared.cli.replay.settlement import show_settlement
from shared.cli.stack import RunningStack, running_stack
from shared.clock import ClockMode, monotonic
from shared.instants import parse


def replay(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="CloudEvents as JSON, one a line; plain or .gz.",
        ),
    ],
    until: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="Advance the log's clock to this instant at the end, in RFC 3339.",
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Send a file of events through ingest, in order, and wait until all are processed.

    Exits with 1 if any event is rejected.
    """
    tally = run(until_interrupted(_replay(home, file, _parse(until))))
    if tally is None or tally.rejected:
        raise typer.Exit(1)


def _parse(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--until") from error


async def _replay(home: Path, file: Path, until: datetime | None) -> Tally:
    stack = running_stack(home)
    if until is not None:
        stack.require_log_time("--until needs a stack in log time: start it with --clock log")
    began = monotonic()
    tally = await _send(stack, file, until)
    await show_settlement(stack)
    show_tally(tally, monotonic() - began)
    return tally


async def _send(stack: RunningStack, file: Path, until: datetime | None) -> Tally:
    ticking = stack.state.clock is ClockMode.LOG
    with file.open("rb") as raw, EventProgress("Events", total=_size(raw)) as progress:

        def show(tally: Tally) -> None:
            progress.update(tally.sent, completed=raw.tell())

        async with Sender(stack.ingest_url, stack.key, progress=show) as sender:
            tally = await sender.send(steps(read_lines(raw), ticking=ticking, until=until))
        progress.update(tally.sent, completed=_size(raw))
    return tally


def _size(raw: BinaryIO) -> int:
    return os.fstat(raw.fileno()).st_size
