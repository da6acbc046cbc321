"""`stammkunde run`: start a stack and play a demonstration on it."""

from typing import Annotated

import typer

from shared.cli.console import run, until_interrupted
from shared.cli.launch import Work, serve, stack_options
from shared.cli.options import (
    DEFAULT_HOME,
    SHIPPED_POLICIES,
    HomeOption,
    PolicyOption,
    PortBaseOption,
)
from shared.cli.replay.demonstration import play_cdnow
from shared.cli.replay.live_shop import play_demonstration
from shared.cli.stack import RunningStack
from shared.clock import ClockMode
from shared.local.home import Home


def run_demo(
    home: HomeOption = DEFAULT_HOME,
    port_base: PortBaseOption = None,
    policy: PolicyOption = None,
    exit_after: Annotated[
        bool, typer.Option("--exit", help="Stop after printing the results.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the data of this home instead of emptying it.")
    ] = False,
    simulated: Annotated[
        bool,
        typer.Option("--simulate", help="Use a simulated shop, which has every kind of event."),
    ] = False,
) -> None:
    """Start everything on empty data and replay 18 months of a real shop.

    With --simulate it replays 24 months of a simulated one.
    """
    folder = Home(home)
    if simulated and policy is None:
        policy = SHIPPED_POLICIES / "watchful.toml"
    options = stack_options(folder, port_base, clock=ClockMode.LOG, policy=policy, fresh=not keep)
    work = _simulated(folder) if simulated else play_cdnow
    run(until_interrupted(serve(folder, options, work=work, stay=not exit_after)))


def _simulated(home: Home) -> Work:
    async def play(stack: RunningStack) -> None:
        await play_demonstration(stack, home.path)

    return play
