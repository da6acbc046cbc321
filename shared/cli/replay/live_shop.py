"""A simulated shop on the running system: sent day by day, while its customers react."""

from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from shared.cli.console import say
from shared.cli.replay.plan import Tick, steps
from shared.cli.replay.progress import EventProgress
from shared.cli.replay.reactions import Population, ReactingLog
from shared.cli.replay.report import show_life_cycle, show_referrals, show_tally, show_winback
from shared.cli.replay.sender import Sender, Tally
from shared.cli.replay.settlement import show_settlement, wait_for_settlement
from shared.cli.replay.simulated_log import generate
from shared.cli.stack import RunningStack
from shared.cli.tables.addresses import show_example_request
from shared.clock import monotonic
from shared.errors import Misconfigured
from shared.simulator.log import Log
from shared.simulator.person.traits import name_of
from shared.simulator.shop import Shop
from shared.simulator.world.calendar import OPENING

READ_EVERY_DAYS: Final = 7
"""How often offers and codes are read, unless a command says otherwise."""
TRUTH_FILE: Final = "truth.ndjson"
_DEMONSTRATION: Final = Shop(customers=2000, months=24, seed=1)
_DEMONSTRATION_EVERY_DAYS: Final = 14
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1"})


def require_ingest_of(stack: RunningStack, url: str) -> None:
    """Raise Misconfigured unless the URL is that of this stack's ingest."""
    ours = urlsplit(stack.ingest_url)
    given = urlsplit(url)
    same_host = given.hostname == ours.hostname or {given.hostname, ours.hostname} <= _LOCAL_HOSTS
    if not same_host or given.port != ours.port:
        raise Misconfigured(
            f"{url} is not ingest of the stack in --home, which is {stack.ingest_url}"
        )


async def play_demonstration(stack: RunningStack, home: Path) -> None:
    """Play the shop of `stammkunde run --simulate`."""
    await play_shop(stack, _DEMONSTRATION, home / TRUTH_FILE, every=_DEMONSTRATION_EVERY_DAYS)


async def play_shop(stack: RunningStack, shop: Shop, truth: Path, *, every: int) -> None:
    """Simulate a shop, send it, let its customers react every `every` days, print the results."""
    stack.require_log_time("a simulated shop runs in log time: start the stack with --clock log")
    population = Population.of(shop)
    with Log() as log:
        counts = generate(shop, population.add, log, truth)
        began = monotonic()
        tally, reacting = await _send(stack, population, log, counts.total(), timedelta(days=every))
    await show_settlement(stack)
    show_tally(tally, monotonic() - began)
    say(
        f"{reacting.reactions:,} customers came back because of an offer; "
        f"the true effects are in {truth}"
    )
    await show_life_cycle(stack)
    await show_winback(stack)
    await show_referrals(stack)
    show_example_request(stack, customer=name_of(1))


async def _send(
    stack: RunningStack, population: Population, log: Log, total: int, every: timedelta
) -> tuple[Tally, ReactingLog]:
    async with AsyncExitStack() as opened:
        reacting = ReactingLog(population)
        if stack.has_reactivation:
            reacting.reactivation = await opened.enter_async_context(stack.reactivation())
        if stack.has_referral:
            reacting.referral = await opened.enter_async_context(stack.referral())
        progress = opened.enter_context(EventProgress("Days", total=total))
        sender = await opened.enter_async_context(
            Sender(stack.ingest_url, stack.key, progress=lambda tally: progress.update(tally.sent))
        )
        numbered = enumerate(reacting.merge(log.read()), start=1)
        last_read = OPENING - every
        for step in steps(numbered, ticking=True, until=population.shop.ends):
            await sender.send([step])
            if isinstance(step, Tick) and step.at - last_read >= every:
                await wait_for_settlement(stack)
                await reacting.read_services(step.at, every)
                last_read = step.at
        return sender.tally, reacting
