"""The command that sends a file of events through the running system and waits until they have been worked off."""

import gzip
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Final, cast

import typer
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from shared.cli.console import (
    DEFAULT_HOME,
    HomeOption,
    console,
    run,
    running,
    say,
    show,
    until_interrupted,
)
from shared.cli.replay.plan import steps
from shared.cli.replay.sender import Sender, Tally
from shared.clock import ClockMode, monotonic
from shared.errors import Misconfigured
from shared.instants import parse
from shared.local.home import StackState
from shared.processes import CONSUMERS, INGEST
from shared.stream.lag import ServiceLag, wait_until_settled

_GZIP: Final = b"\x1f\x8b"


def replay(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="CloudEvents, one a line; .gz or plain."),
    ],
    until: Annotated[
        str | None,
        typer.Option(help="In log time: the instant the clock stands at in the end, RFC 3339."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Send a file of events through ingest, in its order, and wait until everything has come to rest."""
    tally = run(until_interrupted(_replay(home, file, _instant(until))))
    if tally is None or tally.rejected:
        raise typer.Exit(1)


def _instant(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--until") from error


async def _replay(home: Path, file: Path, until: datetime | None) -> Tally:
    state, key = running(home)
    ticking = state.clock is ClockMode.LOG
    if until is not None and not ticking:
        raise Misconfigured("--until needs a stack in log time: start it with --clock log")
    began = monotonic()
    with file.open("rb") as raw, bar("Events", total=_size(raw)) as progress:
        task = progress.task_ids[0]
        sender = Sender(
            state.url(INGEST),
            key,
            progress=lambda t: progress.update(task, completed=raw.tell(), events=t.sent),
        )
        async with sender:
            tally = await sender.send(steps(read_lines(raw), ticking=ticking, until=until))
        progress.update(task, completed=_size(raw))
    await settle(state)
    show_tally(tally, monotonic() - began)
    return tally


def _size(raw: BinaryIO) -> int:
    return os.fstat(raw.fileno()).st_size


def read_lines(raw: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines of a plain or compressed file that are not blank, with their numbers."""
    is_gzip = raw.read(2) == _GZIP
    raw.seek(0)
    number = 0
    source = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if is_gzip else raw
    try:
        for number, line in enumerate(source, start=1):
            if stripped := line.strip():
                yield number, stripped
    except (OSError, EOFError) as error:
        raise Misconfigured(f"the file cannot be read on after line {number}: {error}") from error


async def settle(state: StackState) -> None:
    """Wait until all checkpoints are at the end and all outboxes empty, showing what is still to do."""
    with console.status("waiting for the system to come to rest …") as shown:

        def watch(standings: dict[str, ServiceLag]) -> None:
            todo = [
                f"{name} {s.behind:,} behind, {s.unpublished:,} unpublished"
                for name, s in standings.items()
            ]
            shown.update("waiting: " + " · ".join(todo))

        await rest(state, watch=lambda found: watch(dict(found)))


async def rest(
    state: StackState, *, watch: Callable[[Mapping[str, ServiceLag]], None] = lambda _: None
) -> None:
    """The same without a word; `watch` is told."""
    workers = [service for service in CONSUMERS if f"{service}-worker" in state.urls]
    await wait_until_settled(
        state.kafka_bootstrap, state.database_url, workers=workers, watch=watch
    )


def show_tally(tally: Tally, seconds: float) -> None:
    """What became of the events, and the first refusals."""
    say(
        f"{tally.accepted:,} events accepted, {tally.rejected:,} rejected; worked off in {seconds:.1f} s "
        f"({tally.sent / max(seconds, 0.001):,.0f} events/s)"
    )
    if tally.first_rejections:
        table = Table("Line", "Id", "Code", "Field", "Message")
        for refused in tally.first_rejections:
            table.add_row(
                str(refused.line), refused.id, refused.code, refused.field, refused.message
            )
        show("First rejected events", table)


class _Speed(ProgressColumn):
    """Events per second since the start."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.fields['events'] / max(task.elapsed or 0.0, 0.001):,.0f} events/s")


def bar(title: str, *, total: float) -> Progress:
    """A progress bar with the number of events and events/s; update its first task with `events`."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[events]:,}"),
        _Speed(),
        TimeElapsedColumn(),
        console=console,
    )
    progress.add_task(title, total=total, events=0)
    return progress
