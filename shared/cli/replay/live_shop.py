"""A simulated shop on the running system: day by day in log time, and what its customers make of offers and codes."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.progress import Progress

from shared.cli.commands.replay import bar, rest, settle, show_tally
from shared.cli.console import say
from shared.cli.replay.plan import Tick, steps
from shared.cli.replay.reactions import Cast, Following
from shared.cli.replay.report import show_addresses, show_life_cycle, show_referrals, show_winback
from shared.cli.replay.sender import Sender, Tally
from shared.cli.replay.simulated_log import generate
from shared.client.reactivation import AsyncReactivationClient
from shared.client.referral import AsyncReferralClient
from shared.clock import ClockMode, monotonic
from shared.errors import Misconfigured
from shared.local.home import StackState
from shared.processes import INGEST, REACTIVATION, REFERRAL
from shared.simulator.log import Log
from shared.simulator.person.traits import name_of
from shared.simulator.shop import Shop
from shared.simulator.world.calendar import OPENING

EVERY_DAYS: Final = 7
TRUTH: Final = "truth.ndjson"
DEMONSTRATION: Final = Shop(customers=2000, months=24, seed=1)
DEMONSTRATION_EVERY_DAYS: Final = 14
_LOCAL: Final = frozenset({"localhost", "127.0.0.1"})


def check(state: StackState, url: str) -> None:
    """Raises Misconfigured unless the URL is that of this stack's ingest."""
    ours, given = urlsplit(state.url(INGEST)), urlsplit(url)
    same_host = given.hostname == ours.hostname or {given.hostname, ours.hostname} <= _LOCAL
    if not same_host or given.port != ours.port:
        raise Misconfigured(
            f"{url} is not ingest of the stack in --home, which is {state.url(INGEST)}"
        )


def demonstration(home: Path) -> Callable[[StackState, str], Awaitable[None]]:
    """The work of `stammkunde run --simulate`."""
    return lambda state, key: send(
        state, key, DEMONSTRATION, home / TRUTH, every=DEMONSTRATION_EVERY_DAYS
    )


async def send(state: StackState, key: str, shop: Shop, truth: Path, *, every: int) -> None:
    """Simulate, send, follow, and show what the system made of it."""
    if state.clock is not ClockMode.LOG:
        raise Misconfigured("a simulated shop lives in log time: start the stack with --clock log")
    cast = Cast.of(shop)
    with Log() as log:
        counts = generate(shop, cast.take, log, truth)
        began = monotonic()
        tally, following = await _follow(
            state, key, cast, log, counts.total(), timedelta(days=every)
        )
    await settle(state)
    show_tally(tally, monotonic() - began)
    say(
        f"{following.reactions:,} customers came back because of an offer; the true effects are in {truth}"
    )
    await show_life_cycle(state, key)
    await show_winback(state, key)
    await show_referrals(state, key)
    show_addresses(state, key, example=name_of(1))


async def _follow(
    state: StackState, key: str, cast: Cast, log: Log, total: int, every: timedelta
) -> tuple[Tally, Following]:
    async with AsyncExitStack() as opened:
        following = Following(cast)
        if REACTIVATION in state.urls:
            client = AsyncReactivationClient(state.url(REACTIVATION), key)
            following.reactivation = await opened.enter_async_context(client)
        if REFERRAL in state.urls:
            following.referral = await opened.enter_async_context(
                AsyncReferralClient(state.url(REFERRAL), key)
            )
        progress = opened.enter_context(bar("Days", total=total))
        sender = await opened.enter_async_context(
            Sender(state.url(INGEST), key, progress=_moving(progress))
        )
        numbered = enumerate(following.merge(log.read()), start=1)
        looked = OPENING - every
        for step in steps(numbered, ticking=True, until=cast.shop.ends):
            await sender.send([step])
            if isinstance(step, Tick) and step.at - looked >= every:
                await rest(state)
                await following.look(step.at, every)
                looked = step.at
        return sender.tally, following


def _moving(progress: Progress) -> Callable[[Tally], None]:
    return lambda tally: progress.update(
        progress.task_ids[0], completed=tally.sent, events=tally.sent
    )
