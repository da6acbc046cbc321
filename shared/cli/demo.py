"""The demonstration: 18 months of a real shop through ingest, and what the system made of them."""

from pathlib import Path

from shared.cli import cdnow
from shared.cli.common import DEFAULT_HOME, HomeOption, run, running, until_interrupted
from shared.cli.figures import show_addresses, show_life_cycle, show_winback
from shared.cli.replay import bar, settle, show_tally
from shared.cli.script import steps
from shared.cli.sender import Sender, Tally
from shared.cli.story import RECOMMENDER, show_referral
from shared.clock import ClockMode, monotonic
from shared.errors import Misconfigured
from shared.local.state import StackState
from shared.services import INGEST


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
    await show_life_cycle(state, key)
    await show_winback(state, key)
    await show_referral(state, key)
    show_addresses(state, key, example=RECOMMENDER)


async def _publish(state: StackState, key: str) -> Tally:
    events = cdnow.lines()
    with bar("CDNOW", total=len(events)) as progress:
        task = progress.task_ids[0]
        sender = Sender(
            state.url(INGEST), key, progress=lambda t: progress.update(task, completed=t.sent, events=t.sent)
        )
        async with sender:
            return await sender.send(steps(enumerate(events, start=1), ticking=True, until=cdnow.END))
