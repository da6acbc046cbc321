"""Commands that read what the system knows: phases, customer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.table import Table

from shared.cli.console import DEFAULT_HOME, PATIENCE_S, HomeOption, print_json, run, running, show
from shared.client.lifecycle import AsyncLifecycleClient, CustomerView, Model, PhaseCounts
from shared.processes import LIFECYCLE

JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]

ModelOption = Annotated[
    str | None, typer.Option(help="Name phases as in this model: six_phase, cxm, ….")
]


def phases(
    as_of: Annotated[str | None, typer.Option(help="An instant up to the clock, RFC 3339.")] = None,
    model: ModelOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """How many customers are in each phase."""
    answer = run(_phases(home, as_of, cast("Model | None", model)))
    if as_json:
        print_json(answer)
    else:
        show(
            f"Customers by phase, as of {answer['as_of']}",
            counts_table("Phase", "Customers", answer["counts"]),
        )


def customer(
    customer_id: Annotated[str, typer.Argument(metavar="ID")],
    model: ModelOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """One customer: phase, since when, and what happens next."""
    answer = run(_customer(home, customer_id, cast("Model | None", model)))
    if as_json:
        print_json(answer)
        return
    table = Table(show_header=False)
    for name, value in answer.items():
        table.add_row(
            name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        )
    show(customer_id, table)


def counts_table(noun: str, unit: str, counts: Mapping[str, int]) -> Table:
    """Numbers by name, with their sum."""
    table = Table(show_footer=True)
    table.add_column(noun, footer="all", no_wrap=True)
    table.add_column(unit, justify="right", footer=f"{sum(counts.values()):,}", no_wrap=True)
    for name, number in counts.items():
        table.add_row(name, f"{number:,}", style="" if number else "dim")
    return table


async def _phases(home: Path, as_of: str | None, model: Model | None) -> PhaseCounts:
    async with _lifecycle(home) as api:
        return await api.count_phases(as_of=as_of, model=model)


async def _customer(home: Path, customer_id: str, model: Model | None) -> CustomerView:
    async with _lifecycle(home) as api:
        return await api.show_customer(customer_id, model=model)


def _lifecycle(home: Path) -> AsyncLifecycleClient:
    state, key = running(home)
    return AsyncLifecycleClient(state.url(LIFECYCLE), key, patience_s=PATIENCE_S)
