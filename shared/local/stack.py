"""The whole system on one machine: servers, schemas, topics and supervised services."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shared.clock import ClockMode
from shared.database import migrations
from shared.errors import Misconfigured
from shared.kafka import topics
from shared.local.home import Home, StackState
from shared.local.managed_process import reclaim
from shared.local.ports import Ports
from shared.local.readiness import wait_until_ready
from shared.local.servers import Servers, open_servers
from shared.local.settings import LocalSettings
from shared.local.supervisor import Program, Supervisor
from shared.processes import DEFAULT_PORT_BASE, Process, installed

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StackOptions:
    """How a stack is started."""

    clock: ClockMode = ClockMode.WALL
    port_base: int = DEFAULT_PORT_BASE
    policy: Path | None = None
    fresh: bool = False


@asynccontextmanager
async def open_stack(home: Home, options: StackOptions, *, say: Say) -> AsyncIterator[StackState]:
    """Start everything, yield when all processes are ready, stop everything in order.

    Raises Misconfigured if a stack already runs in this home, or if its data belong to the other
    clock.
    """
    if not await _acquire(home):
        running = home.load()
        pid = running.supervisor_pid if running else 0
        raise Misconfigured(f"a stack is already running in {home.path} (pid {pid})")
    try:
        _check_clock(home, options)
        await _stop_leftovers(home)
        settings = LocalSettings()
        async with open_servers(home.path, settings, fresh=options.fresh, say=say) as servers:
            await _prepare(servers, settings, say)
            environment = _environment(home, options, settings, servers)
            async with _run_processes(home, options, environment, servers, say) as state:
                yield state
    finally:
        home.release()


async def _acquire(home: Home) -> bool:
    # `status` and `down` check whether the lock is taken by taking it for a moment.
    for _ in range(10):
        if home.acquire():
            return True
        await asyncio.sleep(0.02)
    return False


def _check_clock(home: Home, options: StackOptions) -> None:
    previous = home.load()
    if previous is not None and not options.fresh and previous.clock is not options.clock:
        raise Misconfigured(
            f"the data in {home.path} were made with --clock {previous.clock}: "
            "use that, or --fresh for empty data"
        )


async def _stop_leftovers(home: Home) -> None:
    pid_files = (home.path / "run").glob("*.pid")
    mark = str(home.path)
    await asyncio.gather(*(asyncio.to_thread(reclaim, file, mark) for file in pid_files))


async def _prepare(servers: Servers, settings: LocalSettings, say: Say) -> None:
    services = await migrations.upgrade_all(servers.database_url)
    say(f"schemas migrated: {', '.join(services)}")
    partitions = await topics.create_missing(
        servers.kafka_bootstrap, partitions=settings.partitions, replication=settings.replication
    )
    say(f"{len(partitions)} topics with {settings.partitions} partitions each")


@asynccontextmanager
async def _run_processes(
    home: Home, options: StackOptions, environment: Mapping[str, str], servers: Servers, say: Say
) -> AsyncIterator[StackState]:
    """Supervise the services; yield the state once all are ready."""
    port_locks = Ports(home.path)
    ports = {each.name: _port(each, options.port_base, port_locks) for each in installed()}
    programs = [_program(each, ports[each.name], environment) for each in installed()]
    state_file = _StateFile(home, servers, _first_state(options, servers, ports))
    stop = asyncio.Event()
    supervisor = Supervisor(programs, home.path, stop=stop, say=say, on_change=state_file.set_pids)
    servers.restarted.append(lambda: state_file.set_pids(supervisor.pids))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(supervisor.run())
            try:
                await wait_until_ready(state_file.state.urls, home.logs, supervisor)
                say(f"{len(programs)} processes are ready")
                yield state_file.set_ready()
            finally:
                stop.set()
    finally:
        state_file.set_stopped()
        port_locks.release()


class _StateFile:
    """Keeps stack.json in step with what runs."""

    def __init__(self, home: Home, servers: Servers, state: StackState) -> None:
        self._home = home
        self._servers = servers
        self.state = state

    def set_pids(self, pids: Mapping[str, int]) -> None:
        """Save the process ids, with those of the servers."""
        self._save(msgspec.structs.replace(self.state, pids=self._servers.pids | dict(pids)))

    def set_ready(self) -> StackState:
        """Save that all processes are ready, and return the state."""
        self._save(msgspec.structs.replace(self.state, ready=True))
        return self.state

    def set_stopped(self) -> None:
        """Save that nothing runs any more."""
        self._save(msgspec.structs.replace(self.state, pids={}, supervisor_pid=0, ready=False))

    def _save(self, state: StackState) -> None:
        self.state = state
        self._home.save(state)


def _first_state(options: StackOptions, servers: Servers, ports: Mapping[str, int]) -> StackState:
    return StackState(
        clock=options.clock,
        port_base=options.port_base,
        kafka_bootstrap=servers.kafka_bootstrap,
        database_url=servers.database_url,
        urls={name: f"http://127.0.0.1:{port}" for name, port in ports.items()},
        supervisor_pid=os.getpid(),
        embedded=bool(servers.embedded),
    )


def _port(process: Process, base: int, ports: Ports) -> int:
    """The port of an API, or any free one for the probes of a worker."""
    if not process.is_api:
        return ports.take(process.name)
    port = base + process.port - DEFAULT_PORT_BASE
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Misconfigured(
                f"port {port} of {process.name} is taken: choose another --port-base"
            ) from error
    return port


def _environment(
    home: Home, options: StackOptions, settings: LocalSettings, servers: Servers
) -> dict[str, str]:
    variables = {
        "STAMMKUNDE_HOME": str(home.path),
        "STAMMKUNDE_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        "STAMMKUNDE_DATABASE_URL": servers.database_url,
        "STAMMKUNDE_API_KEY": home.api_key(settings.key),
        "STAMMKUNDE_CODE_SECRET": home.code_secret(settings.secret),
        "STAMMKUNDE_CLOCK": options.clock.value,
        "STAMMKUNDE_PARTITIONS": str(settings.partitions),
        "STAMMKUNDE_HOST": "127.0.0.1",
        "STAMMKUNDE_LEAVE_S": "0",
        "PYTHONUNBUFFERED": "1",
    }
    if options.policy is not None:
        variables["STAMMKUNDE_POLICY_FILE"] = str(options.policy.resolve())
    return {**os.environ, **variables}  # noqa: TID251  (a child's environment, not a setting)


def _program(process: Process, port: int, environment: Mapping[str, str]) -> Program:
    env = {**environment, "STAMMKUNDE_PORT": str(port)}
    return Program(process.name, (sys.executable, "-m", process.module), env)
