"""The command that tries a policy on what has happened: what it would have changed, as tables."""

import asyncio
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

import typer
from rich.progress import Progress
from rich.table import Table

from shared.cli.commands.replay import bar
from shared.cli.console import (
    DEFAULT_HOME,
    HomeOption,
    print_json,
    run,
    running,
    say,
    show,
    until_interrupted,
)
from shared.client.lifecycle import (
    AsyncLifecycleClient,
    CellView,
    ExampleView,
    FiredView,
    Phase,
    PolicyDocument,
    ReportView,
    SimulationRequest,
    SimulationStepView,
    SimulationView,
)
from shared.instants import parse, render
from shared.processes import LIFECYCLE

ASK_EVERY_S: Final = 0.5
DATE: Final = len("2024-05-01")
OPEN: Final = ("queued", "running")
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


def simulate_policy(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The policy to try, a TOML file.")
    ],
    begin: Annotated[
        str, typer.Option("--from", metavar="INSTANT", help="It judges from here on.")
    ],
    end: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="INSTANT", help="What is told is as of then. Default: the clock."
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            metavar="b2c|b2b", help="Only customers of this kind of account. Default: all."
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the simulation with its report as JSON.")
    ] = False,
) -> None:
    """Try a policy on the stored events: who would have moved, and where to.

    FILE says what differs from the built-in policy, such as at_risk_days = 60;
    name and version alone stand for a stored policy. INSTANT is RFC 3339 with
    a zone (2024-05-01T12:00:00Z), or a date: its midnight in UTC.

    Until --from customers are judged as they were; from there on by FILE,
    whatever was activated later. Both histories end at --to.

    It runs in the background and changes nothing live. Ctrl-C cancels it. The
    result is kept: GET /v1/simulations/ID.
    """
    kind = cast('Literal["b2c", "b2b"] | None', account)
    body: SimulationRequest = {
        "policy": _document(file),
        "from": _instant(begin, "--from"),
        "account": kind,
    }
    if end is not None:
        body["to"] = _instant(end, "--to")
    found = run(until_interrupted(_simulate(home, body, quiet=as_json)))
    if found is None:
        raise typer.Exit(1)
    if as_json:
        print_json(found)
    elif found["report"] is not None:
        show_report(found, found["report"])
    if found["state"] != "done":
        say(f"the simulation has {found['state']}: {found['reason'] or 'somebody wanted it so'}")
        raise typer.Exit(1)


def _document(file: Path) -> PolicyDocument:
    try:
        return cast("PolicyDocument", tomllib.loads(file.read_text()))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot be read: {error}", param_hint="FILE") from error


def _instant(text: str, option: str) -> str:
    try:
        return render(parse(f"{text}T00:00:00Z" if len(text) == DATE else text))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


async def _simulate(home: Path, body: SimulationRequest, *, quiet: bool) -> SimulationView:
    state, key = running(home)
    async with AsyncLifecycleClient(state.url(LIFECYCLE), key) as api:
        asked = await api.create_simulation(body)
        try:
            return await _followed(api, asked["id"], quiet=quiet)
        except asyncio.CancelledError:
            await api.cancel_simulation(asked["id"])
            say(f"simulation {asked['id']} is cancelled")
            raise


async def _followed(api: AsyncLifecycleClient, simulation: str, *, quiet: bool) -> SimulationView:
    """The simulation once it has ended."""
    with nullcontext() if quiet else bar("Simulation", total=1) as progress:
        while (found := await api.show_simulation(simulation))["state"] in OPEN:
            _advance(progress, found)
            await asyncio.sleep(ASK_EVERY_S)
        _advance(progress, found)
    return found


def _advance(progress: Progress | None, found: SimulationView) -> None:
    if progress is not None:
        made = found["progress"]
        name = "Queued" if found["state"] == "queued" else "Simulation"
        progress.update(
            progress.task_ids[0],
            description=name,
            completed=made["done"],
            total=made["total"] or 1,
            events=made["events"],
        )


# -- tables ------------------------------------------------------------------------------------------------------------


def show_report(simulation: SimulationView, report: ReportView) -> None:
    """Everything that a simulation has found out."""
    policy = simulation["policy"]
    customers, differing = report["customers"], report["differing"]
    share = f"{differing / customers:.1%}" if customers else "none"
    say(
        f"{policy['name']} from {simulation['from']} to {simulation['to']}, {simulation['account'] or 'all accounts'}: "
        f"of {customers:,} customers with {report['events']:,} events {differing:,} differ ({share})"
    )
    if report["unsettled"]:
        say(
            f"{report['unsettled']:,} of them differ before already: their live history is still being brought up"
        )
    show("Customers by phase: live down, candidate across", matrix_table(report["matrix"]))
    show(
        "Transitions into the phases of lost customers",
        _versus("Phase", report["entered"], ("phase",)),
    )
    show(
        "Transitions by rule and month",
        _versus("Rule", _with_sums(report["transitions"]), ("rule", "month")),
    )
    for number, example in enumerate(report["examples"], start=1):
        title = f"{number}. {example['customer']}, for {example['alike']:,} who differ in this way"
        show(title, _side_by_side(example))


def matrix_table(cells: Sequence[CellView]) -> Table:
    """The live phases as rows, the candidate's as columns; only those with customers."""
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


def _versus(noun: str, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    table = Table(noun, *("Month" for _ in names[1:]))
    for side in ("Live", "Candidate", "Difference"):
        table.add_column(side, justify="right", no_wrap=True)
    for row in rows:
        live, candidate = row["live"], row["candidate"]
        style = "bold" if row.get("month") == "all" else ""
        table.add_row(
            *(row[name] for name in names),
            f"{live:,}",
            f"{candidate:,}",
            _difference(candidate - live),
            style=style,
        )
    return table


def _difference(number: int) -> str:
    return f"{number:+,}" if number else ""


def _with_sums(rows: Sequence[FiredView]) -> list[Mapping[str, Any]]:
    """Each rule's months, and then all of them together."""
    found = list[Mapping[str, Any]]()
    for rule in sorted({row["rule"] for row in rows}):
        of_rule = [row for row in rows if row["rule"] == rule]
        live, candidate = (
            sum(row["live"] for row in of_rule),
            sum(row["candidate"] for row in of_rule),
        )
        found += [*of_rule, {"rule": rule, "month": "all", "live": live, "candidate": candidate}]
    return found


def _side_by_side(example: ExampleView) -> Table:
    table = Table("Live", "Candidate")
    for live, candidate in zip_longest(example["live"], example["candidate"]):
        table.add_row(_told(live), _told(candidate), style="dim" if live == candidate else "")
    return table


def _told(step: SimulationStepView | None) -> str:
    return "" if step is None else f"{step['occurred_at'][:DATE]} {step['to']} ({step['rule']})"
