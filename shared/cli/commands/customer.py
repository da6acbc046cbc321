"""`stammkunde customer`: what is known of one customer."""

import json
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.table import Table

from shared.cli.console import print_json, run, show_table
from shared.cli.options import DEFAULT_HOME, HomeOption, JsonOption, ModelOption
from shared.cli.stack import SHORT_PATIENCE_S, running_stack
from shared.client.lifecycle import CustomerView, Model


def customer(
    customer_id: Annotated[str, typer.Argument(metavar="ID", help="The customer's id.")],
    model: ModelOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show one customer: the phase, since when, and what happens next."""
    answer = run(_read(home, customer_id, cast("Model | None", model)))
    if as_json:
        print_json(answer)
        return
    table = Table(show_header=False)
    for name, value in answer.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        table.add_row(name, text)
    show_table(customer_id, table)


async def _read(home: Path, customer_id: str, model: Model | None) -> CustomerView:
    async with running_stack(home).lifecycle(patience_s=SHORT_PATIENCE_S) as lifecycle:
        return await lifecycle.show_customer(customer_id, model=model)
