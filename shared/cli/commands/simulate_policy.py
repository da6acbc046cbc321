"""`stammkunde simulate-policy`: what a policy would have changed."""

import asyncio
import tomllib
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import typer

from shared.cli.console import print_json, run, say, until_interrupted
from shared.cli.options import DEFAULT_HOME, HomeOption
from shared.cli.replay.progress import EventProgress
from shared.cli.stack import running_stack
from shared.cli.tables.simulation import show_report
from shared.client.lifecycle import (
    AsyncLifecycleClient,
    PolicyDocument,
    SimulationRequest,
    SimulationView,
)
from shared.instants import parse, render

POLL_EVERY_S: Final = 0.5
_DATE: Final = len("2024-05-01")
_OPEN_STATES: Final = ("queued", "running")

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", exists=True, dir_okay=False, help="The policy to try, a TOML file."
    ),
]
FromOption = Annotated[
    str, typer.Option("--from", metavar="INSTANT", help="Apply the policy from this instant on.")
]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="INSTANT", help="Compare as of this instant. Default: what the clock shows."
    ),
]
AccountOption = Annotated[
    str | None,
    typer.Option(metavar="b2c|b2b", help="Only customers with this kind of account. Default: all."),
]
ReportJsonOption = Annotated[
    bool, typer.Option("--json", help="Print the simulation and its report as JSON.")
]


def simulate_policy(
    file: FileArgument,
    begin: FromOption,
    end: ToOption = None,
    account: AccountOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: ReportJsonOption = False,
) -> None:
    """Try a policy on the stored events: which customers would have moved, and where to.

    FILE states what differs from the built-in policy, such as at_risk_days = 60.
    A file with only name and version refers to a stored policy. INSTANT is
    RFC 3339 with a zone (2024-05-01T12:00:00Z), or a date, which means its
    midnight in UTC.

    Before --from, customers follow the policies that were in force. From then on
    they follow FILE, whatever was activated later. Both histories end at --to.

    The simulation runs in the background and changes nothing live. Ctrl-C
    cancels it. The result is kept: GET /v1/simulations/ID.
    """
    body = _request(file, begin, end, account)
    simulation = run(until_interrupted(_simulate(home, body, quiet=as_json)))
    if simulation is None:
        raise typer.Exit(1)
    _show(simulation, as_json=as_json)
    if simulation["state"] != "done":
        reason = simulation["reason"] or "on request"
        say(f"simulation {simulation['state']}: {reason}")
        raise typer.Exit(1)


def _request(file: Path, begin: str, end: str | None, account: str | None) -> SimulationRequest:
    body: SimulationRequest = {
        "policy": _document(file),
        "from": _instant(begin, "--from"),
        "account": cast('Literal["b2c", "b2b"] | None', account),
    }
    if end is not None:
        body["to"] = _instant(end, "--to")
    return body


def _document(file: Path) -> PolicyDocument:
    try:
        return cast("PolicyDocument", tomllib.loads(file.read_text()))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot be read: {error}", param_hint="FILE") from error


def _instant(text: str, option: str) -> str:
    """An instant, or the midnight of a date, in UTC."""
    try:
        return render(parse(f"{text}T00:00:00Z" if len(text) == _DATE else text))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


async def _simulate(home: Path, body: SimulationRequest, *, quiet: bool) -> SimulationView:
    async with running_stack(home).lifecycle() as lifecycle:
        simulation = await lifecycle.create_simulation(body)
        try:
            return await _wait_for(lifecycle, simulation["id"], quiet=quiet)
        except asyncio.CancelledError:
            await lifecycle.cancel_simulation(simulation["id"])
            say(f"simulation {simulation['id']} is cancelled")
            raise


async def _wait_for(lifecycle: AsyncLifecycleClient, id: str, *, quiet: bool) -> SimulationView:
    """The simulation once it has ended."""
    with nullcontext() if quiet else EventProgress("Simulation", total=1) as progress:
        while True:
            simulation = await lifecycle.show_simulation(id)
            if progress is not None:
                _advance(progress, simulation)
            if simulation["state"] not in _OPEN_STATES:
                return simulation
            await asyncio.sleep(POLL_EVERY_S)


def _advance(bar: EventProgress, simulation: SimulationView) -> None:
    progress = simulation["progress"]
    title = "Queued" if simulation["state"] == "queued" else "Simulation"
    bar.restate(title, total=progress["total"] or 1)
    bar.update(progress["events"], completed=progress["done"])


def _show(simulation: SimulationView, *, as_json: bool) -> None:
    if as_json:
        print_json(simulation)
    elif simulation["report"] is not None:
        show_report(simulation, simulation["report"])
