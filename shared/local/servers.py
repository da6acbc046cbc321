"""The Kafka and the PostgreSQL of a stack: embedded ones under its home, or those that the environment names."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.clock import monotonic
from shared.errors import Misconfigured
from shared.local.kafka import EmbeddedKafka
from shared.local.postgres import EmbeddedPostgres
from shared.local.settings import LocalSettings


@dataclass(frozen=True, slots=True)
class Servers:
    """Addresses of the running servers, and the pids of those that are ours."""

    kafka_bootstrap: str
    database_url: str
    pids: dict[str, int]
    embedded: bool


@asynccontextmanager
async def open_servers(
    home: Path, settings: LocalSettings, *, fresh: bool, say: Callable[[str], None]
) -> AsyncIterator[Servers]:
    """Start what the environment does not name; in the end Kafka stops first, then PostgreSQL."""
    kafka = None if settings.kafka_bootstrap else EmbeddedKafka(home)
    postgres = None if settings.database_url else EmbeddedPostgres(home)
    if fresh and not (kafka and postgres):
        raise Misconfigured("only embedded servers can be emptied: use --keep with servers of your own")
    ours = [server for server in (kafka, postgres) if server is not None]
    if fresh:
        await asyncio.gather(*(server.wipe() for server in ours))
    try:
        async with asyncio.TaskGroup() as group:
            for server in ours:
                group.create_task(_start(server, say))
        yield Servers(
            kafka_bootstrap=settings.kafka_bootstrap or (kafka.bootstrap if kafka else ""),
            database_url=settings.database_url or (postgres.url if postgres else ""),
            pids=({"kafka": kafka.pid} if kafka else {}) | ({"postgres": postgres.pid} if postgres else {}),
            embedded=bool(ours),
        )
    finally:
        for server in ours:
            await server.stop()


async def _start(server: EmbeddedKafka | EmbeddedPostgres, say: Callable[[str], None]) -> None:
    began = monotonic()
    await server.start()
    say(f"{server.title} is up after {monotonic() - began:.1f} s")
