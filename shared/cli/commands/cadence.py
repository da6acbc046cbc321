"""`stammkunde cadence`: fit the cadence model, or show the fit in force."""

from pathlib import Path

import typer

from shared.cli.console import print_json, run
from shared.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from shared.cli.stack import FIT_TIMEOUT_S, SHORT_PATIENCE_S, running_stack
from shared.cli.tables import cadence as tables
from shared.client.lifecycle import CadenceView, FitView

cadence = typer.Typer(
    no_args_is_help=True,
    help="Fit or show the cadence model, which learns when a customer's silence is unusual.",
)


@cadence.command("fit")
def fit(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Fit the model to all orders so far and judge later purchases by it.

    Exits with 1 if the fit is refused.
    """
    made = run(_fit(home))
    if as_json:
        print_json(made)
    else:
        tables.show_fit(made)
    if not made["accepted"]:
        raise typer.Exit(1)


@cadence.command("show")
def show(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show the fit in force, and why the last one was refused, if it was.

    Exits with 1 if no fit is in force.
    """
    answer = run(_read(home))
    if as_json:
        print_json(answer)
    else:
        tables.show_cadence(answer)
    if answer["in_force"] is None:
        raise typer.Exit(1)


async def _fit(home: Path) -> FitView:
    async with running_stack(home).lifecycle(timeout_s=FIT_TIMEOUT_S) as lifecycle:
        return await lifecycle.make_fit()


async def _read(home: Path) -> CadenceView:
    async with running_stack(home).lifecycle(patience_s=SHORT_PATIENCE_S) as lifecycle:
        return await lifecycle.show_cadence()
