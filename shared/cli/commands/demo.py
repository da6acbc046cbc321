"""The demonstration: 18 months of a real shop through ingest, and what the system made of them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shared.cli.commands.cadence import make_fit, show_comparison, show_fit
from shared.cli.commands.replay import bar, rest, settle, show_tally
from shared.cli.console import DEFAULT_HOME, HomeOption, run, running, until_interrupted
from shared.cli.replay import cdnow
from shared.cli.replay.plan import Tick, steps
from shared.cli.replay.referral_story import RECOMMENDER, show_referral
from shared.cli.replay.report import show_addresses, show_life_cycle, show_winback
from shared.cli.replay.sender import Sender, Tally
from shared.client.lifecycle import AsyncLifecycleClient, FitView
from shared.clock import ClockMode, monotonic
from shared.errors import Misconfigured
from shared.local.home import StackState
from shared.processes import INGEST, LIFECYCLE

FIT_AT: Final = datetime(1997, 10, 1, tzinfo=UTC)
"""Where silence is not measured in fixed days, the cadence model is fitted to what was known by then."""


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
    tally, made = await _publish(state, key, fits=await _measures_rhythm(state, key))
    await settle(state)
    show_tally(tally, monotonic() - began)
    await show_life_cycle(state, key)
    await show_winback(state, key)
    await show_referral(state, key)
    if made is not None:
        show_fit(made)
    if made is not None and made["accepted"]:
        await show_comparison(state, key, since=made["effective_at"])
    show_addresses(state, key, example=RECOMMENDER)


async def _measures_rhythm(state: StackState, key: str) -> bool:
    """Is silence measured by the cadence model?"""
    async with AsyncLifecycleClient(state.url(LIFECYCLE), key) as lifecycle:
        return (await lifecycle.show_cadence())["silence"] != "fixed"


async def _publish(state: StackState, key: str, *, fits: bool) -> tuple[Tally, FitView | None]:
    """What became of the events, and of the fit, if one was made on the way."""
    events, made = cdnow.lines(), None
    with bar("CDNOW", total=len(events)) as progress:
        task = progress.task_ids[0]
        sender = Sender(
            state.url(INGEST),
            key,
            progress=lambda t: progress.update(task, completed=t.sent, events=t.sent),
        )
        async with sender:
            for step in steps(enumerate(events, start=1), ticking=True, until=cdnow.END):
                await sender.send([step])
                if fits and step == Tick(FIT_AT):
                    await rest(state)
                    made = await make_fit(state, key)
            return sender.tally, made
