"""Starting a stack, in the foreground or in the background."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from shared.cli.console import say
from shared.cli.options import command_line
from shared.cli.stack import RunningStack, running_stack, stack_of
from shared.cli.tables.addresses import show_addresses
from shared.clock import ClockMode, monotonic
from shared.errors import Misconfigured, Retryable
from shared.local.home import Home
from shared.local.managed_process import tail
from shared.local.readiness import READY_S
from shared.local.stack import StackOptions, open_stack
from shared.processes import DEFAULT_PORT_BASE, POLICY_CHECK

Work: TypeAlias = Callable[[RunningStack], Awaitable[None]]

STARTED_WITHIN_S: Final = 2 * READY_S


def stack_options(
    home: Home, port_base: int | None, *, clock: ClockMode, policy: Path | None, fresh: bool
) -> StackOptions:
    """The options of a start; without a port base, that of the last start in this home."""
    previous = home.load()
    last_base = previous.port_base if previous else DEFAULT_PORT_BASE
    return StackOptions(clock=clock, port_base=port_base or last_base, policy=policy, fresh=fresh)


async def serve(home: Home, options: StackOptions, *, work: Work | None, stay: bool) -> None:
    """Run a stack in the foreground: start it, do the work, then stay until cancelled if asked to.

    Raises Misconfigured before anything is started or emptied if the policy is wrong.
    """
    await asyncio.to_thread(_check_policy, options.policy)
    async with open_stack(home, options, say=say) as state:
        stack = stack_of(home, state)
        show_addresses(stack)
        if work is not None:
            await work(stack)
        if stay:
            say("Ctrl-C stops everything.")
            await asyncio.Event().wait()


async def serve_in_background(home: Home, options: StackOptions) -> None:
    """Start a stack that outlives this process, and return once it is ready.

    Raises Misconfigured if one runs already, Retryable with the end of its log if it did not start.
    """
    await asyncio.to_thread(_check_policy, options.policy)
    if home.is_running():
        raise Misconfigured(f"a stack is already running in {home.path}")
    log = home.logs / "supervisor.log"
    supervisor = _spawn(_up_command(home, options), log)
    await _wait_until_ready(home, supervisor, log)
    supervisor.returncode = 0  # it goes on without us: nobody waits for it
    stack = running_stack(home.path)
    show_addresses(stack)
    pid = stack.state.supervisor_pid
    say(f"running in the background (pid {pid}); `{command_line('down', home)}` stops it")


def _check_policy(policy: Path | None) -> None:
    """Raise Misconfigured naming every wrong field of a policy."""
    if policy is None:
        return
    command = [sys.executable, "-m", POLICY_CHECK, str(policy)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    if checked.returncode:
        raise Misconfigured(checked.stderr.strip())


def _up_command(home: Home, options: StackOptions) -> list[str]:
    command = [sys.executable, "-m", "shared.cli.main", "up", "--home", str(home.path)]
    command += ["--port-base", str(options.port_base), "--clock", options.clock.value]
    command += ["--fresh" if options.fresh else "--keep"]
    if options.policy is not None:
        command += ["--policy", str(options.policy.resolve())]
    return command


def _spawn(command: list[str], log: Path) -> "subprocess.Popen[bytes]":
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def _wait_until_ready(home: Home, supervisor: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = monotonic() + STARTED_WITHIN_S
    while not _is_ready(home, supervisor.pid):
        if supervisor.poll() is not None or monotonic() > deadline:
            raise Retryable(f"the stack did not start; {log} ends with:\n{tail(log, 30)}")
        await asyncio.sleep(0.1)


def _is_ready(home: Home, supervisor_pid: int) -> bool:
    state = home.load()
    return state is not None and state.ready and state.supervisor_pid == supervisor_pid
