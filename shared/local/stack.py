"""The whole system on one machine: servers, schema, topics and supervised services, under one folder."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import msgspec

from shared.clock import ClockMode, monotonic
from shared.database import migrations
from shared.errors import Misconfigured, Retryable
from shared.kafka import topics
from shared.local.home import Home, StackState
from shared.local.managed_process import reclaim, tail
from shared.local.ports import Ports
from shared.local.servers import Servers, open_servers
from shared.local.settings import LocalSettings
from shared.local.supervisor import Program, Supervisor
from shared.processes import Process, installed

READY_S: Final = 90.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a stack is started."""

    clock: ClockMode = ClockMode.WALL
    port_base: int = 8001
    policy: Path | None = None
    fresh: bool = False


@asynccontextmanager
async def open_stack(
    home: Home, options: Options, *, say: Callable[[str], None]
) -> AsyncIterator[StackState]:
    """Start everything, yield when all processes are ready, stop everything in order.

    Raises Misconfigured if a stack already runs in this home or its data were made under the other clock.
    """
    if not await _hold(home):
        running = home.load()
        raise Misconfigured(
            f"a stack is already running in {home.path} (pid {running.supervisor_pid if running else 0})"
        )
    try:
        _check_clock(home, options)
        leftovers = (home.path / "run").glob("*.pid")
        await asyncio.gather(
            *(asyncio.to_thread(reclaim, pid_file, str(home.path)) for pid_file in leftovers)
        )
        settings = LocalSettings()
        async with open_servers(home.path, settings, fresh=options.fresh, say=say) as servers:
            await _prepare(servers, settings, say)
            async with _supervised(home, options, settings, servers, say) as state:
                yield state
    finally:
        home.release()


async def _hold(home: Home) -> bool:
    for _ in range(
        10
    ):  # `status` and `down` look whether the lock is taken by taking it for a moment
        if home.acquire():
            return True
        await asyncio.sleep(0.02)
    return False


def _check_clock(home: Home, options: Options) -> None:
    before = home.load()
    if before is not None and not options.fresh and before.clock is not options.clock:
        raise Misconfigured(
            f"the data in {home.path} were made with --clock {before.clock}: use that, or --fresh for empty data"
        )


async def _prepare(servers: Servers, settings: LocalSettings, say: Callable[[str], None]) -> None:
    services = await migrations.upgrade_all(servers.database_url)
    say(f"schemas migrated: {', '.join(services)}")
    found = await topics.ensure(
        servers.kafka_bootstrap, partitions=settings.partitions, replication=settings.replication
    )
    say(f"{len(found)} topics with {settings.partitions} partitions each")


@asynccontextmanager
async def _supervised(
    home: Home,
    options: Options,
    settings: LocalSettings,
    servers: Servers,
    say: Callable[[str], None],
) -> AsyncIterator[StackState]:
    ports = Ports(home.path)
    processes = installed()
    places = {process.name: _port(process, options.port_base, ports) for process in processes}
    state = _first_state(options, servers, places)

    def changed(pids: Mapping[str, int]) -> None:
        nonlocal state
        state = msgspec.structs.replace(state, pids=servers.pids | dict(pids))
        home.save(state)

    stop = asyncio.Event()
    environment = _environment(home, options, settings, servers)
    programs = [_program(process, places[process.name], environment) for process in processes]
    servers.restarted.append(lambda: changed(supervisor.pids))
    supervisor = Supervisor(programs, home.path, stop=stop, say=say, changed=changed)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(supervisor.run())
            try:
                await _wait_ready(state.urls, home, supervisor)
                say(f"{len(processes)} processes are ready")
                state = msgspec.structs.replace(state, ready=True)
                home.save(state)
                yield state
            finally:
                stop.set()
    finally:
        home.save(msgspec.structs.replace(state, pids={}, supervisor_pid=0, ready=False))
        ports.release()


def _first_state(options: Options, servers: Servers, places: Mapping[str, int]) -> StackState:
    return StackState(
        clock=options.clock,
        port_base=options.port_base,
        kafka_bootstrap=servers.kafka_bootstrap,
        database_url=servers.database_url,
        urls={name: f"http://127.0.0.1:{port}" for name, port in places.items()},
        supervisor_pid=os.getpid(),
        embedded=servers.embedded,
    )


def _port(process: Process, base: int, ports: Ports) -> int:
    if process.port_offset is None:
        return ports.take(process.name)
    port = base + process.port_offset
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
    home: Home, options: Options, settings: LocalSettings, servers: Servers
) -> dict[str, str]:
    ours = {
        "STAMMKUNDE_HOME": str(home.path),
        "STAMMKUNDE_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        "STAMMKUNDE_DATABASE_URL": servers.database_url,
        "STAMMKUNDE_API_KEY": home.api_key(settings.key),
        "STAMMKUNDE_CLOCK": options.clock.value,
        "STAMMKUNDE_PARTITIONS": str(settings.partitions),
        "STAMMKUNDE_HOST": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
    }
    if options.policy is not None:
        ours["STAMMKUNDE_POLICY_FILE"] = str(options.policy.resolve())
    return {**os.environ, **ours}  # noqa: TID251  (a child's environment, not a setting)


def _program(process: Process, port: int, environment: Mapping[str, str]) -> Program:
    env = {**environment, "STAMMKUNDE_PORT": str(port)}
    return Program(process.name, (sys.executable, "-m", process.module), env)


async def _wait_ready(urls: Mapping[str, str], home: Home, supervisor: Supervisor) -> None:
    deadline = monotonic() + READY_S
    waiting = dict(urls)
    async with httpx.AsyncClient(timeout=5) as client:
        while waiting:
            answers = await asyncio.gather(*(is_ready(client, url) for url in waiting.values()))
            waiting = {
                name: url
                for (name, url), ready in zip(waiting.items(), answers, strict=True)
                if not ready
            }
            if failing := supervisor.failing():
                raise Misconfigured(f"ended again and again: {', '.join(failing)}")
            if waiting and monotonic() > deadline:
                logs = "\n".join(
                    f"{name}:\n{tail(home.logs / f'{name}.log', 5)}" for name in waiting
                )
                raise Retryable(f"not ready after {READY_S:g} s: {', '.join(waiting)}\n{logs}")
            await asyncio.sleep(0.1)


async def is_ready(client: httpx.AsyncClient, url: str) -> bool:
    """Whether the process behind this URL says that everything it needs answers."""
    try:
        return (await client.get(f"{url}/readyz")).status_code == 200
    except httpx.TransportError:
        return False
