"""`stammkunde down`: stop a stack."""

import asyncio
import os
import signal
from typing import Final

from shared.cli.console import run, say
from shared.cli.options import DEFAULT_HOME, HomeOption
from shared.clock import monotonic
from shared.errors import Retryable
from shared.local.home import Home

STOPPED_WITHIN_S: Final = 60.0


def down(home: HomeOption = DEFAULT_HOME) -> None:
    """Stop the stack of this home."""
    run(_stop(Home(home)))


async def _stop(home: Home) -> None:
    supervisor = home.supervisor_pid()
    os.kill(supervisor, signal.SIGTERM)
    deadline = monotonic() + STOPPED_WITHIN_S
    while home.is_running():
        if monotonic() > deadline:
            raise Retryable(
                f"the stack has not stopped within {STOPPED_WITHIN_S:g} s "
                f"(supervisor pid {supervisor})"
            )
        await asyncio.sleep(0.1)
    say(f"the stack in {home.path} has stopped")
