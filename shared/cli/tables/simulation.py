"""What trying a policy has found out."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from rich.table import Table

from shared.cli.console import say, show_table
from shared.client.lifecycle import (
    CellView,
    ExampleView,
    FiredView,
    Phase,
    ReportView,
    SimulationStepView,
    SimulationView,
)

_DATE: Final = len("2024-05-01")
_PHASES: Final[tuple[Phase, ...]] = (
    "prospect",
    "new",
    "established",
    "advocate",
    "at_risk",
    "inactive",
    "former",
    "won_back",
)


def show_report(simulation: SimulationView, report: ReportView) -> None:
    """Print the whole report of a simulation."""
    say(_summary(simulation, report))
    if report["unsettled"]:
        say(
            f"{report['unsettled']:,} of them already differ before: "
            "their live history is still being updated"
        )
    show_table("Customers by phase: live down, candidate across", matrix_table(report["matrix"]))
    show_table(
        "Transitions into the phases of lost customers",
        _comparison_table("Phase", report["entered"], ("phase",)),
    )
    show_table(
        "Transitions by rule and month",
        _comparison_table("Rule", _with_sums(report["transitions"]), ("rule", "month")),
    )
    for number, example in enumerate(report["examples"], start=1):
        title = f"{number}. {example['customer']}, for {example['alike']:,} who differ in this way"
        show_table(title, _example_table(example))


def matrix_table(cells: Sequence[CellView]) -> Table:
    """The live phases as rows and the candidate's as columns, without empty phases."""
    counts = {(cell["live"], cell["candidate"]): cell["customers"] for cell in cells}
    phases = [phase for phase in (None, *_PHASES) if any(phase in pair for pair in counts)]
    table = Table("Live")
    for phase in phases:
        table.add_column(phase or "–", justify="right", no_wrap=True)
    table.add_column("all", justify="right")
    for live in phases:
        row = [counts.get((live, candidate), 0) for candidate in phases]
        table.add_row(live or "–", *(f"{n:,}" if n else "" for n in row), f"{sum(row):,}")
    return table


def _summary(simulation: SimulationView, report: ReportView) -> str:
    customers = report["customers"]
    differing = report["differing"]
    share = f"{differing / customers:.1%}" if customers else "none"
    accounts = simulation["account"] or "all accounts"
    return (
        f"{simulation['policy']['name']} from {simulation['from']} to {simulation['to']}, "
        f"{accounts}: of {customers:,} customers with {report['events']:,} events "
        f"{differing:,} differ ({share})"
    )


def _comparison_table(noun: str, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    """Counts of live and candidate by one name, or by name and month, and their difference."""
    table = Table(noun, *("Month" for _ in names[1:]))
    for side in ("Live", "Candidate", "Difference"):
        table.add_column(side, justify="right", no_wrap=True)
    for row in rows:
        live = row["live"]
        candidate = row["candidate"]
        counts = (f"{live:,}", f"{candidate:,}", _difference(candidate - live))
        style = "bold" if row.get("month") == "all" else ""
        table.add_row(*(row[name] for name in names), *counts, style=style)
    return table


def _difference(number: int) -> str:
    return f"{number:+,}" if number else ""


def _with_sums(rows: Sequence[FiredView]) -> list[Mapping[str, Any]]:
    """Each rule's months, followed by their sum."""
    summed = list[Mapping[str, Any]]()
    for rule in sorted({row["rule"] for row in rows}):
        months = [row for row in rows if row["rule"] == rule]
        live = sum(row["live"] for row in months)
        candidate = sum(row["candidate"] for row in months)
        summed += months
        summed.append({"rule": rule, "month": "all", "live": live, "candidate": candidate})
    return summed


def _example_table(example: ExampleView) -> Table:
    table = Table("Live", "Candidate")
    for live, candidate in zip_longest(example["live"], example["candidate"]):
        style = "dim" if live == candidate else ""
        table.add_row(_step(live), _step(candidate), style=style)
    return table


def _step(step: SimulationStepView | None) -> str:
    return "" if step is None else f"{step['occurred_at'][:_DATE]} {step['to']} ({step['rule']})"
