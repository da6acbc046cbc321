"""The Kafka and the PostgreSQL of a stack: embedded ones under its home, or those that the environment names."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from shared.clock import monotonic
from shared.errors import Misconfigured, Retryable
from shared.local.kafka import EmbeddedKafka
from shared.local.postgres import EmbeddedPostgres
from shared.local.settings import LocalSettings


@dataclass(frozen=True, slots=True)
class Servers:
    """Addresses of the running servers, and those that are ours by name."""

    kafka_bootstrap: str
    database_url: str
    ours: dict[str, EmbeddedKafka | EmbeddedPostgres]
    restarted: list[Callable[[], None]] = field(default_factory=list)
    """Called after one of ours died and was started again."""

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of those that run now."""
        return {name: server.pid for name, server in self.ours.items() if server.is_alive}

    @property
    def embedded(self) -> bool:
        return bool(self.ours)


@asynccontextmanager
async def open_servers(
    home: Path, settings: LocalSettings, *, fresh: bool, say: Callable[[str], None]
) -> AsyncIterator[Servers]:
    """Start what the environment does not name; in the end Kafka stops first, then PostgreSQL."""
    kafka = None if settings.kafka_bootstrap else EmbeddedKafka(home)
    postgres = None if settings.database_url else EmbeddedPostgres(home)
    ours = {
        name: server
        for name, server in (("kafka", kafka), ("postgres", postgres))
        if server is not None
    }
    if fresh:
        await _wipe(ours)
    stop = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            for server in ours.values():
                group.create_task(_start(server, say))
        servers = Servers(
            kafka_bootstrap=settings.kafka_bootstrap or (kafka.bootstrap if kafka else ""),
            database_url=settings.database_url or (postgres.url if postgres else ""),
            ours=ours,
        )
        async with asyncio.TaskGroup() as group:
            for server in ours.values():
                group.create_task(_guard(server, servers, stop, say))
            try:
                yield servers
            finally:
                stop.set()
    finally:
        for server in ours.values():
            await server.stop()


async def _wipe(ours: Mapping[str, EmbeddedKafka | EmbeddedPostgres]) -> None:
    if len(ours) < 2:
        raise Misconfigured(
            "only embedded servers can be emptied: use --keep with servers of your own"
        )
    await asyncio.gather(*(server.wipe() for server in ours.values()))


async def _start(server: EmbeddedKafka | EmbeddedPostgres, say: Callable[[str], None]) -> None:
    began = monotonic()
    await server.start()
    say(f"{server.title} is up after {monotonic() - began:.1f} s")


async def _guard(
    server: EmbeddedKafka | EmbeddedPostgres,
    servers: Servers,
    stop: asyncio.Event,
    say: Callable[[str], None],
) -> None:
    """Start the server again whenever it dies; its clients retry meanwhile."""
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)
        if stop.is_set() or server.is_alive:
            continue
        say(f"{server.title} has died and is started again")
        try:
            await server.restart()
        except Retryable as error:
            say(str(error))
            continue
        for tell in servers.restarted:
            tell()
