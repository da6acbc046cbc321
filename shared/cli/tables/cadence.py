"""What came of fitting the cadence model, and how it compares with fixed days."""

from typing import Final, Literal

from rich.table import Column, Table

from shared.cli.console import say, show_table
from shared.client.lifecycle import CadenceView, ComparisonView, FitView

_Judge = Literal["fixed", "matched", "cadence"]
_Measure = Literal["customers_warned", "mean_lead_days", "false_alarms", "false_alarm_share"]
_Parameter = Literal["r", "alpha", "a", "b", "p", "q", "gamma", "currency", "log_likelihood"]

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
    "log_likelihood": "of the purchase rhythms",
}


def show_cadence(cadence: CadenceView) -> None:
    """Print the fit in force, and why the last one is not."""
    say(
        f"The policy in force measures silence by: {cadence['silence']} (as of {cadence['as_of']})."
    )
    if cadence["in_force"] is None:
        say("No fit is in force: silence is measured in fixed days.")
    else:
        show_fit(cadence["in_force"])
    last = cadence["last"]
    if last is not None and not last["accepted"]:
        say(f"The last fit, {last['version']} of {last['made_at']}, was refused: {last['reason']}.")
    failure = cadence["failure"]
    if failure is not None:
        say(f"The fit of {failure['at']} could not be made: {failure['reason']}.")


def show_fit(fit: FitView) -> None:
    """Print the parameters of a fit, or why it was refused."""
    parameters = fit["parameters"]
    if parameters is None:
        say(f"\nFit {fit['version']} is refused: {fit['reason']}.")
        return
    table = Table("Parameter", "Value", "Meaning")
    table.columns[1].justify = "right"
    for name, meaning in _MEANINGS.items():
        value = parameters[name]
        if value is not None:
            text = f"{value:,.4f}" if isinstance(value, float) else str(value)
            table.add_row(name, text, meaning)
    show_table(f"Fit {fit['version']}, in force for purchases from {fit['effective_at']} on", table)
    say(f"Made from {fit['customers']:,} customers with {fit['repeats']:,} repeat purchases.")
    if parameters["no_values"]:
        say(f"It has no model of order values: {parameters['no_values']}.")


def show_comparison(comparison: ComparisonView, *, since: str) -> None:
    """Print fixed days and cadence side by side, over the purchases since an instant."""
    judges: dict[_Judge, str] = {
        "fixed": "fixed days",
        "matched": f"{comparison['matched_days']} fixed days",
        "cadence": "cadence",
    }
    titles = (Column(title, justify="right", no_wrap=True) for title in judges.values())
    table = Table("", *titles)
    for name, meaning in _MEASURES.items():
        table.add_row(meaning, *(_format(name, comparison[judge][name]) for judge in judges))
    period = f"purchases from {since[:10]} to {comparison['as_of'][:10]}"
    show_table(f"Warned by fixed days and by cadence: {period}", table)
    _explain(comparison)


def _explain(comparison: ComparisonView) -> None:
    horizon = comparison["horizon_days"]
    say(
        f"{comparison['purchases']:,} purchases: "
        f"{comparison['lost']:,} lost (no further order, silent for {horizon} days or more), "
        f"{comparison['returning']:,} returning (ordered again within {horizon} days).\n"
        "Warned: D1 passed before the next purchase. "
        f"Lead: days from D1 to day {horizon}, averaged over the lost.\n"
        "False alarm: warned, but returning. "
        "The middle column shows the smallest number of fixed days for everybody "
        "that raises no more false alarms than cadence."
    )


def _format(name: _Measure, value: float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.1%}" if name == "false_alarm_share" else f"{value:.1f} d"
