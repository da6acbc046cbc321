"""The Kafka and PostgreSQL of a stack: embedded under its home, or named by the environment."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from shared.clock import monotonic
from shared.errors import Misconfigured, Retryable
from shared.local.embedded_server import EmbeddedServer
from shared.local.kafka import EmbeddedKafka
from shared.local.postgres import EmbeddedPostgres
from shared.local.settings import LocalSettings


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of the servers, and the embedded ones by name.

    The functions in `restarted` are called after an embedded server died and was started again.
    """

    kafka_bootstrap: str
    database_url: str
    embedded: Mapping[str, EmbeddedServer]
    restarted: list[Callable[[], None]] = field(default_factory=list)

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of embedded servers that run now."""
        return {name: server.pid for name, server in self.embedded.items() if server.is_alive}


@asynccontextmanager
async def open_servers(
    home: Path, settings: LocalSettings, *, fresh: bool, say: Callable[[str], None]
) -> AsyncIterator[Servers]:
    """Start the servers that the environment does not name, and restart one that dies.

    At the end Kafka stops first, then PostgreSQL.
    """
    kafka = None if settings.kafka_bootstrap else EmbeddedKafka(home)
    postgres = None if settings.database else EmbeddedPostgres(home)
    embedded = {server.name: server for server in (kafka, postgres) if server is not None}
    if fresh:
        await _wipe(embedded)
    try:
        async with asyncio.TaskGroup() as group:
            for server in embedded.values():
                group.create_task(_start(server, say))
        servers = Servers(
            kafka_bootstrap=settings.kafka_bootstrap or (kafka.bootstrap if kafka else ""),
            database_url=settings.database or (postgres.url if postgres else ""),
            embedded=embedded,
        )
        async with _kept_alive(servers, say):
            yield servers
    finally:
        for server in embedded.values():
            await server.stop()


async def _wipe(embedded: Mapping[str, EmbeddedServer]) -> None:
    if len(embedded) < 2:
        raise Misconfigured(
            "only embedded servers can be emptied: use --keep with servers of your own"
        )
    await asyncio.gather(*(server.wipe() for server in embedded.values()))


async def _start(server: EmbeddedServer, say: Callable[[str], None]) -> None:
    began = monotonic()
    await server.start()
    say(f"{server.title} is up after {monotonic() - began:.1f} s")


@asynccontextmanager
async def _kept_alive(servers: Servers, say: Callable[[str], None]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for server in servers.embedded.values():
            group.create_task(_keep_alive(server, servers, stop, say))
        try:
            yield
        finally:
            stop.set()


async def _keep_alive(
    server: EmbeddedServer,
    servers: Servers,
    stop: asyncio.Event,
    say: Callable[[str], None],
) -> None:
    """Start the server again whenever it dies; its clients retry in the meantime."""
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)
        if stop.is_set() or server.is_alive:
            continue
        say(f"{server.title} died and is starting again")
        try:
            await server.restart()
        except Retryable as error:
            say(str(error))
            continue
        for on_restart in servers.restarted:
            on_restart()
