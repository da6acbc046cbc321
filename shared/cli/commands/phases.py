"""`stammkunde phases`: how many customers are in each phase."""

from pathlib import Path
from typing import Annotated, cast

import typer

from shared.cli.console import print_json, run, show_table
from shared.cli.options import DEFAULT_HOME, HomeOption, JsonOption, ModelOption
from shared.cli.stack import SHORT_PATIENCE_S, running_stack
from shared.cli.tables.counts import counts_table
from shared.client.lifecycle import Model, PhaseCounts


def phases(
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="Count as of this past instant, in RFC 3339. Default: what the clock shows.",
        ),
    ] = None,
    model: ModelOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Count the customers in each phase."""
    answer = run(_count(home, as_of, cast("Model | None", model)))
    if as_json:
        print_json(answer)
        return
    table = counts_table("Phase", "Customers", answer["counts"])
    show_table(f"Customers by phase, as of {answer['as_of']}", table)


async def _count(home: Path, as_of: str | None, model: Model | None) -> PhaseCounts:
    async with running_stack(home).lifecycle(patience_s=SHORT_PATIENCE_S) as lifecycle:
        return await lifecycle.count_phases(as_of=as_of, model=model)
