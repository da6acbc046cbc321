"""Commands that start, show and stop a stack: up, run, status, down."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import httpx
import psutil
import typer
from rich.table import Table

from shared.cli.commands.demo import play
from shared.cli.console import (
    DEFAULT_HOME,
    HomeOption,
    PortBaseOption,
    console,
    run,
    say,
    show,
    until_interrupted,
)
from shared.cli.replay.live_shop import demonstration
from shared.clock import ClockMode, monotonic
from shared.errors import Misconfigured, Retryable
from shared.local.home import DEFAULT_PORT_BASE, Home, StackState
from shared.local.managed_process import tail
from shared.local.settings import LocalSettings
from shared.local.stack import READY_S, Options, is_ready, open_stack
from shared.processes import POLICY_CHECK, PROCESSES
from shared.stream.lag import ServiceLag, standings

Work: TypeAlias = Callable[[StackState, str], Awaitable[None]]

ClockOption = Annotated[
    ClockMode,
    typer.Option(
        "--clock", help="What moves deadlines: real time, or clock.ticked events in the log."
    ),
]
SHIPPED: Final = Path(__file__).parents[3] / "deploy" / "policies"
WATCHFUL: Final = SHIPPED / "watchful.toml"
STOP_S: Final = 60.0


def policy_file(given: Path | None) -> Path | None:
    """A file, or the bare name of one that is shipped."""
    if given is None or given.is_file():
        return given
    shipped = SHIPPED / given.name
    if given != Path(given.name) or not shipped.is_file():
        raise typer.BadParameter(f"{given} is neither a file nor the name of one in {SHIPPED}")
    return shipped


PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        callback=policy_file,
        help="Policy: a TOML file, or the name of one in deploy/policies.",
    ),
]


def up(
    home: HomeOption = DEFAULT_HOME,
    port_base: PortBaseOption = None,
    clock: ClockOption = ClockMode.WALL,
    policy: PolicyOption = None,
    keep: Annotated[
        bool, typer.Option("--keep/--fresh", help="Go on with the data of this home, or empty it.")
    ] = True,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once all is ready; the stack goes on.")
    ] = False,
) -> None:
    """Start Kafka, PostgreSQL and all services; Ctrl-C stops them."""
    place = Home(home)
    options = _options(place, port_base, clock=clock, policy=policy, fresh=not keep)
    if detach:
        run(_detached(place, options))
        return
    run(until_interrupted(_serve(place, options, work=None, stay=True)))


def run_demo(
    home: HomeOption = DEFAULT_HOME,
    port_base: PortBaseOption = None,
    policy: PolicyOption = None,
    exit_after: Annotated[bool, typer.Option("--exit", help="Stop after the tables.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Go on with the data of this home.")] = False,
    simulated: Annotated[
        bool, typer.Option("--simulate", help="A shop that never existed, with all events.")
    ] = False,
) -> None:
    """Start everything on empty data and replay 18 months of a real shop through it, or 24 of a simulated one."""
    place = Home(home)
    judging = policy or (WATCHFUL if simulated else None)
    options = _options(place, port_base, clock=ClockMode.LOG, policy=judging, fresh=not keep)
    work = demonstration(place.path) if simulated else play
    run(until_interrupted(_serve(place, options, work=work, stay=not exit_after)))


def status(home: HomeOption = DEFAULT_HOME) -> None:
    """Processes, whether they are ready, and how far behind they are."""
    run(_status(Home(home)))


def down(home: HomeOption = DEFAULT_HOME) -> None:
    """Stop the stack of this home."""
    run(_down(Home(home)))


def _options(
    place: Home, port_base: int | None, *, clock: ClockMode, policy: Path | None, fresh: bool
) -> Options:
    before = place.load()
    base = port_base or (before.port_base if before else DEFAULT_PORT_BASE)
    return Options(clock=clock, port_base=base, policy=policy, fresh=fresh)


def _check_policy(policy: Path | None) -> None:
    """Raises Misconfigured naming every wrong field, before anything is started or emptied."""
    if policy is None:
        return
    command = [sys.executable, "-m", POLICY_CHECK, str(policy)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    if checked.returncode:
        raise Misconfigured(checked.stderr.strip())


async def _serve(place: Home, options: Options, *, work: Work | None, stay: bool) -> None:
    await asyncio.to_thread(_check_policy, options.policy)
    async with open_stack(place, options, say=say) as state:
        key = place.api_key(LocalSettings().key)
        _show_addresses(state, key)
        if work is not None:
            await work(state, key)
        if stay:
            say("Ctrl-C stops everything.")
            await asyncio.Event().wait()


def _show_addresses(state: StackState, key: str) -> None:
    table = Table()
    table.add_column("API")
    table.add_column("URL", no_wrap=True)
    for process in PROCESSES:
        if process.port_offset is not None and process.name in state.urls:
            table.add_row(process.name, state.urls[process.name])
    show(f"Stammkunde, clock {state.clock}", table)
    console.print(f"Key: Authorization: Bearer {key}", markup=False, soft_wrap=True)


async def _detached(place: Home, options: Options) -> None:
    await asyncio.to_thread(_check_policy, options.policy)
    if place.is_running():
        raise Misconfigured(f"a stack is already running in {place.path}")
    log = place.logs / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(
        log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
    )  # the key is printed there
    with os.fdopen(descriptor, "wb") as output:
        supervisor = subprocess.Popen(  # noqa: ASYNC220  (returns at once)
            _command(place, options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = monotonic() + 2 * READY_S
    while not _is_ready(place, supervisor.pid):
        if supervisor.poll() is not None or monotonic() > deadline:
            raise Retryable(f"the stack did not start; {log} ends with:\n{tail(log, 30)}")
        await asyncio.sleep(0.1)
    supervisor.returncode = 0  # it goes on without us: nobody waits for it
    state = place.running()
    _show_addresses(state, place.api_key(LocalSettings().key))
    say(f"running in the background (pid {state.supervisor_pid}); `stammkunde down` stops it")


def _command(place: Home, options: Options) -> list[str]:
    command = [sys.executable, "-m", "shared.cli.main", "up", "--home", str(place.path)]
    command += ["--port-base", str(options.port_base), "--clock", options.clock.value]
    command += ["--fresh" if options.fresh else "--keep"]
    if options.policy is not None:
        command += ["--policy", str(options.policy.resolve())]
    return command


def _is_ready(place: Home, supervisor_pid: int) -> bool:
    state = place.load()
    return state is not None and state.ready and state.supervisor_pid == supervisor_pid


async def _status(place: Home) -> None:
    state = place.running()
    async with httpx.AsyncClient(timeout=5) as client:
        ready = await asyncio.gather(*(is_ready(client, url) for url in state.urls.values()))
    standing = await standings(state.kafka_bootstrap, state.database_url)
    table = Table()
    for name in ("Process", "Pid", "Ready"):
        table.add_column(name, no_wrap=True)
    table.add_column("Address", overflow="fold")
    table.add_column("Behind", justify="right", no_wrap=True)
    table.add_column("Unpublished", justify="right", no_wrap=True)
    for (name, url), answer in zip(state.urls.items(), ready, strict=True):
        worker = standing.get(name.removesuffix("-worker")) if name.endswith("-worker") else None
        table.add_row(name, _pid(state, name), "yes" if answer else "no", url, *_lag(worker))
    for name in ("kafka", "postgres"):
        table.add_row(
            name,
            _pid(state, name),
            "",
            state.kafka_bootstrap if name == "kafka" else state.database_url,
        )
    console.print(table)
    for service, found in standing.items():
        for where, why in found.braked.items():
            say(f"{service}: {where} is paused: {why}; `stammkunde resume {where}` goes on")


def _pid(state: StackState, name: str) -> str:
    pid = state.pids.get(name)
    return "" if pid is None else str(pid) if psutil.pid_exists(pid) else f"{pid} (gone)"


def _lag(standing: ServiceLag | None) -> tuple[str, str]:
    return ("", "") if standing is None else (f"{standing.behind:,}", f"{standing.unpublished:,}")


async def _down(place: Home) -> None:
    supervisor = place.supervisor_pid()
    os.kill(supervisor, signal.SIGTERM)
    deadline = monotonic() + STOP_S
    while place.is_running():
        if monotonic() > deadline:
            raise Retryable(
                f"the stack has not stopped within {STOP_S:g} s (supervisor pid {supervisor})"
            )
        await asyncio.sleep(0.1)
    say(f"the stack in {place.path} has stopped")
