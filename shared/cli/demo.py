"""The demonstration: 18 months of a real shop through ingest, and what the system made of them."""

from pathlib import Path

from rich.table import Table

from shared.cli import cdnow
from shared.cli.api import Api
from shared.cli.common import DEFAULT_HOME, HomeOption, run, running, show, until_interrupted
from shared.cli.customers import show_counts
from shared.cli.replay import bar, settle, show_tally
from shared.cli.script import steps
from shared.cli.sender import Sender, Tally
from shared.cli.story import show_referral, show_winback
from shared.clock import ClockMode, monotonic
from shared.errors import Misconfigured
from shared.local.state import StackState
from shared.services import INGEST, LIFECYCLE, PROCESSES


def demo(home: HomeOption = DEFAULT_HOME) -> None:
    """Replay 18 months of a real shop (CDNOW) through the running stack, in log time."""
    run(until_interrupted(_demo(home)))


async def _demo(home: Path) -> None:
    state, key = running(home)
    await play(state, key)


async def play(state: StackState, key: str) -> None:
    """Publish the CDNOW log, wait until it has been worked off, show the results."""
    if state.clock is not ClockMode.LOG:
        raise Misconfigured("the demonstration lives in log time: start the stack with --clock log")
    began = monotonic()
    tally = await _publish(state, key)
    await settle(state)
    show_tally(tally, monotonic() - began)
    async with Api(state.url(LIFECYCLE), key) as lifecycle:
        phases = await lifecycle.get("/v1/phases")
        transitions = await lifecycle.get("/v1/transitions/counts")
    show_counts(f"Customers by phase, as of {phases['as_of']}", "Phase", phases["counts"])
    show_counts("Transitions by rule", "Rule", transitions["counts"])
    await show_winback(state, key)
    await show_referral(state, key)
    _show_urls(state)


async def _publish(state: StackState, key: str) -> Tally:
    events = cdnow.lines()
    with bar("CDNOW", total=len(events)) as progress:
        task = progress.task_ids[0]
        sender = Sender(
            state.url(INGEST), key, progress=lambda t: progress.update(task, completed=t.sent, events=t.sent)
        )
        async with sender:
            return await sender.send(steps(enumerate(events, start=1), ticking=True, until=cdnow.END))


def _show_urls(state: StackState) -> None:
    table = Table("API", "URL")
    for process in PROCESSES:
        if process.port_offset is not None and process.name in state.urls:
            table.add_row(process.name, f"{state.urls[process.name]}/v1")
    show("Ask for yourself", table)
