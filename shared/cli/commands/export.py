"""`stammkunde export`: customers who match filters, in a file."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal, TypedDict, cast

import typer
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from shared.cli.console import error_console, note, run, until_interrupted
from shared.cli.files import complete_file
from shared.cli.options import DEFAULT_HOME, HomeOption, ModelOption
from shared.cli.stack import SHORT_PATIENCE_S, running_stack
from shared.client.lifecycle import Model, Phase
from shared.errors import Misconfigured

SEARCH_TIMEOUT_S: Final = 300.0
"""The first matching customer may be far down the list."""


class Format(StrEnum):
    """A file format."""

    CSV = "csv"
    NDJSON = "ndjson"


class CustomerFilters(TypedDict):
    """The filters, as the client takes them."""

    phase: Phase | None
    since_before: str | None
    due_before: str | None
    min_value: int | None
    account: Literal["b2c", "b2b"] | None
    cause: str | None
    model: Model | None


_MEDIA_TYPES: Final[dict[Format, Literal["text/csv", "application/x-ndjson"]]] = {
    Format.CSV: "text/csv",
    Format.NDJSON: "application/x-ndjson",
}
_HEADER_LINES: Final = {Format.CSV: 1, Format.NDJSON: 0}
"""Lines before the first customer. Each customer is one line: no cell has a line break."""

PhaseOption = Annotated[
    str | None, typer.Option(help="Only customers in this phase, such as at_risk or new.")
]
SinceBeforeOption = Annotated[
    str | None,
    typer.Option(metavar="INSTANT", help="Only those in their phase since before this instant."),
]
DueBeforeOption = Annotated[
    str | None,
    typer.Option(
        metavar="INSTANT", help="Only those whose next transition by time is due before this."
    ),
]
MinValueOption = Annotated[
    int | None,
    typer.Option(
        help="Only those with at least this lifetime revenue, in minor units (1999 is 19.99 EUR)."
    ),
]
AccountOption = Annotated[
    str | None, typer.Option(metavar="b2c|b2b", help="Only accounts of this kind.")
]
CauseOption = Annotated[
    str | None,
    typer.Option(help="Only those at risk for this cause, such as complaint or complaint:77."),
]
OutputOption = Annotated[
    Path | None, typer.Option(dir_okay=False, help="The file to write. Default: standard output.")
]


def export(
    phase: PhaseOption = None,
    since_before: SinceBeforeOption = None,
    due_before: DueBeforeOption = None,
    min_value: MinValueOption = None,
    account: AccountOption = None,
    cause: CauseOption = None,
    model: ModelOption = None,
    format: Annotated[Format, typer.Option(help="The file format.")] = Format.CSV,
    output: OutputOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Export all customers who match the filters, as of one instant.

    The file is replaced only when the export is complete; if it fails, the
    previous file stays. INSTANT is RFC 3339 with a zone: 2024-05-01T12:00:00Z.
    """
    filters = {
        "phase": phase,
        "since_before": since_before,
        "due_before": due_before,
        "min_value": min_value,
        "account": account,
        "cause": cause,
        "model": model,
    }
    exported = _export(home, output, format, cast("CustomerFilters", filters))
    _report(run(until_interrupted(exported)), output)


def _report(customers: int | None, output: Path | None) -> None:
    """Say how many customers were exported; None: the export was interrupted."""
    if customers is None:
        raise typer.Exit(1)
    where = "" if output is None else f" in {output}"
    note(f"{customers:,} customers{where}")


async def _export(home: Path, output: Path | None, format: Format, filters: CustomerFilters) -> int:
    """Write the file; returns the number of customers."""
    stack = running_stack(home)
    customers = -_HEADER_LINES[format]
    with open_output(output) as out, _progress(shown=output is not None) as progress:
        task = progress.add_task("Customers", total=None, customers=0)
        async with (
            stack.lifecycle(timeout_s=SEARCH_TIMEOUT_S, patience_s=SHORT_PATIENCE_S) as lifecycle,
            lifecycle.list_customers_as(_MEDIA_TYPES[format], **filters) as parts,
        ):
            async for part in parts:
                out.write(part)
                customers += part.count(b"\n")
                progress.update(task, advance=len(part), customers=f"{max(customers, 0):,}")
    return customers


@contextmanager
def open_output(output: Path | None) -> Iterator[BinaryIO]:
    """A file that is kept only if it is complete, or standard output for None.

    Raises Misconfigured if the file cannot be written.
    """
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    try:
        with complete_file(output) as out:
            yield out
    except OSError as error:
        raise Misconfigured(f"{output} cannot be written: {error}") from error


def _progress(*, shown: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description} {task.fields[customers]}"),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=error_console,
        transient=True,
        disable=not shown,
    )
