"""`stammkunde up`: start a stack."""

from typing import Annotated

import typer

from shared.cli.console import run, until_interrupted
from shared.cli.launch import serve, serve_in_background, stack_options
from shared.cli.options import (
    DEFAULT_HOME,
    ClockOption,
    HomeOption,
    PolicyOption,
    PortBaseOption,
)
from shared.clock import ClockMode
from shared.local.home import Home


def up(
    home: HomeOption = DEFAULT_HOME,
    port_base: PortBaseOption = None,
    clock: ClockOption = ClockMode.WALL,
    policy: PolicyOption = None,
    keep: Annotated[
        bool, typer.Option("--keep/--fresh", help="Keep the data of this home, or delete it.")
    ] = True,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when the stack is ready; it keeps running.")
    ] = False,
) -> None:
    """Start Kafka, PostgreSQL and all services. Ctrl-C stops them."""
    folder = Home(home)
    options = stack_options(folder, port_base, clock=clock, policy=policy, fresh=not keep)
    if detach:
        run(serve_in_background(folder, options))
    else:
        run(until_interrupted(serve(folder, options, work=None, stay=True)))
