"""Commands that read what the system knows: phases, customer."""

import json
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from shared.cli.api import Api
from shared.cli.common import DEFAULT_HOME, HomeOption, print_json, run, running, show
from shared.services import LIFECYCLE

JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]

ModelOption = Annotated[str | None, typer.Option(help="Name phases as in this model: six_phase, cxm, ….")]


def phases(
    as_of: Annotated[str | None, typer.Option(help="An instant up to the clock, RFC 3339.")] = None,
    model: ModelOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """How many customers are in each phase."""
    answer = run(_read(home, "/v1/phases", as_of=as_of, model=model))
    if as_json:
        print_json(answer)
    else:
        show(f"Customers by phase, as of {answer['as_of']}", counts_table("Phase", "Customers", answer["counts"]))


def customer(
    customer_id: Annotated[str, typer.Argument(metavar="ID")],
    model: ModelOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """One customer: phase, since when, and what happens next."""
    answer = run(_read(home, f"/v1/customers/{quote(customer_id, safe='')}", model=model))
    if as_json:
        print_json(answer)
        return
    table = Table(show_header=False)
    for name, value in answer.items():
        table.add_row(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    show(customer_id, table)


def counts_table(noun: str, unit: str, counts: Mapping[str, int]) -> Table:
    """Numbers by name, with their sum."""
    table = Table(show_footer=True)
    table.add_column(noun, footer="all", no_wrap=True)
    table.add_column(unit, justify="right", footer=f"{sum(counts.values()):,}", no_wrap=True)
    for name, number in counts.items():
        table.add_row(name, f"{number:,}", style="" if number else "dim")
    return table


async def _read(home: Any, path: str, **query: str | None) -> Any:
    state, key = running(home)
    async with Api(state.url(LIFECYCLE), key) as api:
        return await api.get(path, **query)
