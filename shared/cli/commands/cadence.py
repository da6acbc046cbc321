"""Commands of the cadence model: make a fit, and show the one in force."""

from pathlib import Path
from typing import Final, Literal

import typer
from rich.table import Column, Table

from shared.cli.commands.customers import JsonOption
from shared.cli.console import (
    DEFAULT_HOME,
    PATIENCE_S,
    HomeOption,
    print_json,
    run,
    running,
    say,
    show,
)
from shared.client.lifecycle import AsyncLifecycleClient, CadenceView, FitView
from shared.local.home import StackState
from shared.processes import LIFECYCLE

FIT_WITHIN_S: Final = 1800.0
"""A fit reads every order there is."""

_Judge = Literal["fixed", "matched", "cadence"]
_Measure = Literal["customers_warned", "mean_lead_days", "false_alarms", "false_alarm_share"]
_Parameter = Literal["r", "alpha", "a", "b", "p", "q", "gamma", "currency", "log_likelihood"]

cadence = typer.Typer(
    no_args_is_help=True, help="The cadence model: when silence means something for this customer."
)


@cadence.command("fit")
def fit_now(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Fit the model to all orders until the clock; purchases from now on are judged by it. Exit code 1 if refused."""
    made = run(_fit(home))
    if as_json:
        print_json(made)
    else:
        show_fit(made)
    if not made["accepted"]:
        raise typer.Exit(1)


@cadence.command("show")
def show_cadence(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """The fit in force, and why the last one was refused if it was. Exit code 1 if there is no fit in force."""
    found = run(_read(home))
    if as_json:
        print_json(found)
    else:
        _show_standing(found)
    if found["in_force"] is None:
        raise typer.Exit(1)


async def make_fit(state: StackState, key: str) -> FitView:
    """A fit of the running system, as the API answers it."""
    async with AsyncLifecycleClient(state.url(LIFECYCLE), key, timeout_s=FIT_WITHIN_S) as api:
        return await api.make_fit()


def show_fit(made: FitView) -> None:
    """What came of a fit: its parameters, or the reason why it was refused."""
    if made["parameters"] is None:
        say(f"\nFit {made['version']} is refused: {made['reason']}.")
        return
    table = Table("Parameter", "Value", "Meaning")
    table.columns[1].justify = "right"
    for name, meaning in _MEANINGS.items():
        value = made["parameters"][name]
        if value is not None:
            table.add_row(
                name, f"{value:,.4f}" if isinstance(value, float) else str(value), meaning
            )
    show(f"Fit {made['version']}, in force for purchases from {made['effective_at']} on", table)
    say(f"Made from {made['customers']:,} customers with {made['repeats']:,} repeat purchases.")
    if made["parameters"]["no_values"]:
        say(f"It knows no values: {made['parameters']['no_values']}.")


async def show_comparison(state: StackState, key: str, *, since: str) -> None:
    """Fixed days and cadence side by side, over the purchases since an instant."""
    async with AsyncLifecycleClient(state.url(LIFECYCLE), key, timeout_s=FIT_WITHIN_S) as api:
        found = await api.compare_models(since=since)
    models: dict[_Judge, str] = {
        "fixed": "fixed days",
        "matched": f"{found['matched_days']} fixed days",
        "cadence": "cadence",
    }
    table = Table("", *(Column(title, justify="right", no_wrap=True) for title in models.values()))
    for name, told in _MEASURES.items():
        table.add_row(told, *(_figure(name, found[model][name]) for model in models))
    show(
        f"Warned by fixed days and by cadence: purchases from {since[:10]} to {found['as_of'][:10]}",
        table,
    )
    horizon = found["horizon_days"]
    say(
        f"{found['purchases']:,} purchases: {found['lost']:,} lost (never again, silent for {horizon} days or more), "
        f"{found['returning']:,} returning (again within {horizon} days).\n"
        "Warned: D1 passed before the next purchase. Lead: mean over the lost of the days between D1 and "
        f"{horizon} days.\nFalse alarm: warned, but returning. In the middle the fewest days for everybody with no "
        "more false alarms than cadence."
    )


async def _fit(home: Path) -> FitView:
    return await make_fit(*running(home))


async def _read(home: Path) -> CadenceView:
    state, key = running(home)
    async with AsyncLifecycleClient(state.url(LIFECYCLE), key, patience_s=PATIENCE_S) as api:
        return await api.show_cadence()


def _show_standing(found: CadenceView) -> None:
    say(f"The policy in force measures silence by: {found['silence']} (as of {found['as_of']}).")
    if found["in_force"] is None:
        say("No fit is in force: silence is measured in fixed days.")
    else:
        show_fit(found["in_force"])
    last = found["last"]
    if last is not None and not last["accepted"]:
        say(f"The last fit, {last['version']} of {last['made_at']}, was refused: {last['reason']}.")
    if found["failure"] is not None:
        say(f"The fit of {found['failure']['at']} could not be made: {found['failure']['reason']}.")


def _figure(name: _Measure, value: float | None) -> str:
    if value is None:
        return "-"
    return (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:.1%}"
        if name == "false_alarm_share"
        else f"{value:.1f} d"
    )


_MEASURES: Final[dict[_Measure, str]] = {
    "customers_warned": "Customers warned",
    "mean_lead_days": "Mean lead over the lost",
    "false_alarms": "False alarms",
    "false_alarm_share": "of the returning purchases",
}
_MEANINGS: Final[dict[_Parameter, str]] = {
    "r": "shape of the purchase rates",
    "alpha": "scale of the purchase rates, in weeks",
    "a": "with b: a/(a+b) drop out after each purchase",
    "b": "",
    "p": "shape of the values of one customer's orders",
    "q": "shape of the differences between customers",
    "gamma": "scale of the values, in minor units",
    "currency": "of the values",
    "log_likelihood": "of the rhythms",
}
