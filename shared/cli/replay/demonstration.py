"""The demonstration: 18 months of a real shop sent through ingest, and the results."""

from datetime import UTC, datetime
from typing import Final

from shared.cli.replay import cdnow
from shared.cli.replay.plan import Tick, steps
from shared.cli.replay.progress import EventProgress
from shared.cli.replay.referral_story import RECOMMENDER, show_referral_story
from shared.cli.replay.report import show_life_cycle, show_tally, show_winback
from shared.cli.replay.sender import Sender, Tally
from shared.cli.replay.settlement import show_settlement, wait_for_settlement
from shared.cli.stack import FIT_TIMEOUT_S, RunningStack
from shared.cli.tables.addresses import show_example_request
from shared.cli.tables.cadence import show_comparison, show_fit
from shared.client.lifecycle import FitView
from shared.clock import monotonic

FIT_AT: Final = datetime(1997, 10, 1, tzinfo=UTC)
"""When the cadence model is fitted, if the policy measures silence by it."""


async def play_cdnow(stack: RunningStack) -> None:
    """Send the CDNOW log, wait until it is processed and print the results."""
    stack.require_log_time("the demonstration runs in log time: start the stack with --clock log")
    began = monotonic()
    tally, fit = await _send(stack, fits=await _uses_cadence(stack))
    await show_settlement(stack)
    show_tally(tally, monotonic() - began)
    await show_life_cycle(stack)
    await show_winback(stack)
    await show_referral_story(stack)
    if fit is not None:
        await _show_cadence(stack, fit)
    show_example_request(stack, customer=RECOMMENDER)


async def _uses_cadence(stack: RunningStack) -> bool:
    """Whether the policy measures silence by the cadence model."""
    async with stack.lifecycle() as lifecycle:
        return (await lifecycle.show_cadence())["silence"] != "fixed"


async def _send(stack: RunningStack, *, fits: bool) -> tuple[Tally, FitView | None]:
    """What became of the events, and the fit made on the way if there was one."""
    events = cdnow.lines()
    fit: FitView | None = None
    with EventProgress("CDNOW", total=len(events)) as progress:
        async with Sender(
            stack.ingest_url, stack.key, progress=lambda tally: progress.update(tally.sent)
        ) as sender:
            for step in steps(enumerate(events, start=1), ticking=True, until=cdnow.END):
                await sender.send([step])
                if fits and step == Tick(FIT_AT):
                    await wait_for_settlement(stack)
                    fit = await _make_fit(stack)
            return sender.tally, fit


async def _make_fit(stack: RunningStack) -> FitView:
    async with stack.lifecycle(timeout_s=FIT_TIMEOUT_S) as lifecycle:
        return await lifecycle.make_fit()


async def _show_cadence(stack: RunningStack, fit: FitView) -> None:
    show_fit(fit)
    if fit["accepted"]:
        since = fit["effective_at"]
        async with stack.lifecycle(timeout_s=FIT_TIMEOUT_S) as lifecycle:
            show_comparison(await lifecycle.compare_models(since=since), since=since)
