"""The command that writes customers into a file: export."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal, TypedDict, cast

import typer
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from shared.cli.commands.customers import ModelOption
from shared.cli.console import (
    DEFAULT_HOME,
    PATIENCE_S,
    HomeOption,
    problems,
    run,
    running,
    until_interrupted,
)
from shared.client.lifecycle import AsyncLifecycleClient, Model, Phase
from shared.errors import Misconfigured
from shared.processes import LIFECYCLE

FOUND_WITHIN_S: Final = 300.0
"""Who is looked for may be far down the list."""


class Format(StrEnum):
    """A kind of file."""

    CSV = "csv"
    NDJSON = "ndjson"


class Asked(TypedDict):
    """The filters, as the client takes them."""

    phase: Phase | None
    since_before: str | None
    due_before: str | None
    min_value: int | None
    account: Literal["b2c", "b2b"] | None
    cause: str | None
    model: Model | None


_MEDIA: Final[dict[Format, Literal["text/csv", "application/x-ndjson"]]] = {
    Format.CSV: "text/csv",
    Format.NDJSON: "application/x-ndjson",
}
_HEADS: Final = {Format.CSV: 1, Format.NDJSON: 0}
"""Lines that are no customer. Each customer is one line: no cell has a line break."""


def export(
    phase: Annotated[str | None, typer.Option(help="In this phase: at_risk, new, ….")] = None,
    since_before: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="In the phase since before this instant.")
    ] = None,
    due_before: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT", help="The next transition by time alone lies before this instant."
        ),
    ] = None,
    min_value: Annotated[
        int | None,
        typer.Option(help="Lifetime revenue of at least so many minor units (1999 is 19.99 EUR)."),
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="b2c|b2b", help="Of this kind of account.")
    ] = None,
    cause: Annotated[
        str | None, typer.Option(help="At risk because of this: complaint, or complaint:77.")
    ] = None,
    model: ModelOption = None,
    format: Annotated[Format, typer.Option(help="The kind of file.")] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The file. Default: standard output.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """All customers who fulfil the filters, as of one instant, in a file.

    The file gets its name when it is complete; until then, and if the command
    fails, there is the one that was there before. INSTANT is RFC 3339 with a
    zone: 2024-05-01T12:00:00Z.
    """
    told = {
        "phase": phase,
        "since_before": since_before,
        "due_before": due_before,
        "min_value": min_value,
        "account": account,
        "cause": cause,
        "model": model,
    }
    written = run(until_interrupted(_export(home, output, format, cast("Asked", told))))
    if written is None:
        raise typer.Exit(1)
    where = "" if output is None else f" in {output}"
    problems.print(f"{written:,} customers{where}", markup=False, soft_wrap=True)


async def _export(home: Path, output: Path | None, format: Format, asked: Asked) -> int:
    state, key = running(home)
    lines = -_HEADS[format]
    with whole(output) as out, _progress(shown=output is not None) as progress:
        task = progress.add_task("Customers", total=None, customers=0)
        async with (
            AsyncLifecycleClient(
                state.url(LIFECYCLE), key, timeout_s=FOUND_WITHIN_S, patience_s=PATIENCE_S
            ) as api,
            api.list_customers_as(_MEDIA[format], **asked) as parts,
        ):
            async for part in parts:
                out.write(part)
                lines += part.count(b"\n")
                progress.update(task, advance=len(part), customers=f"{max(lines, 0):,}")
    return lines


@contextmanager
def whole(output: Path | None) -> Iterator[BinaryIO]:
    """A file that has its name only if nothing fails; None is standard output. Raises Misconfigured for a bad place."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    partial = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        partial.replace(output)
    except OSError as error:
        raise Misconfigured(f"{output} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _progress(*, shown: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description} {task.fields[customers]}"),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=problems,
        transient=True,
        disable=not shown,
    )
