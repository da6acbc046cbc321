"""What tests of all kinds share: waiting for a condition, fresh databases, fresh topics."""

import asyncio
import inspect
import re
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final, TypeVar, overload

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from shared.clock import monotonic
from shared.database.connection import role
from shared.database.migrations import MIGRATOR
from shared.kafka import topics
from shared.stream.lag import log_spans

T = TypeVar("T")
PARTITIONS: Final = 12


@overload
async def eventually(
    probe: Callable[[], Coroutine[Any, Any, T]],
    *,
    within_s: float = ...,
    every_s: float = ...,
    what: str = ...,
) -> T: ...
@overload
async def eventually(
    probe: Callable[[], T], *, within_s: float = ..., every_s: float = ..., what: str = ...
) -> T: ...
async def eventually(
    probe: Callable[[], object], *, within_s: float = 20.0, every_s: float = 0.05, what: str = ""
) -> object:
    """Ask until the answer is true, and return it; a failed assertion in the probe asks again.

    Fails with the last answer or reason after `within_s`.
    """
    deadline = monotonic() + within_s
    while True:
        reason: object
        try:
            answer = probe()
            value: object = await answer if inspect.isawaitable(answer) else answer
            if value:
                return value
            reason = repr(value)
        except AssertionError as error:
            reason = error
        if monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what or probe}; last: {reason}")
        await asyncio.sleep(every_s)


def sibling(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return re.sub(r"/[^/?]*(\?.*)?$", rf"/{database}\1", url)


async def make_database(url: str, *, template: str | None = None) -> str:
    """Create a database on the server of `url` and return its URL."""
    name = f"test_{secrets.token_hex(6)}"
    await administer(url, f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    return sibling(url, name)


async def drop_database(url: str) -> None:
    """Drop the database of `url`, whoever is still connected."""
    await administer(url, f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)")


async def administer(url: str, statement: str) -> None:
    """Run one statement as the superuser in the database `postgres` of the same server."""
    connection = await asyncpg.connect(sibling(url, "postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def as_migrator(statement: str, service: str) -> str:
    """A statement that no service may run, for a connection that acts as this service."""
    return f"SET ROLE {MIGRATOR}; {statement}; SET ROLE {role(service)}"


async def renew_topics(bootstrap: str, *, partitions: int = PARTITIONS) -> None:
    """Let the topics of the registry be there and empty; those that nobody has written to are
    kept.
    """
    sizes, used = Counter[str](), set[str]()
    for (topic, _), span in (await log_spans(bootstrap, topics.TOPICS)).items():
        sizes[topic] += 1
        if span != (0, 0):
            used.add(topic)
    await drop_topics(
        bootstrap, {topic for topic, size in sizes.items() if topic in used or size != partitions}
    )
    await topics.create_missing(bootstrap, partitions=partitions)


async def drop_topics(bootstrap: str, names: Collection[str]) -> None:
    """Delete topics with all their records; returns when they are gone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        if names:
            await admin.delete_topics(sorted(names))

        async def gone() -> bool:
            return not set(await admin.list_topics()) & set(names)

        await eventually(gone, what="the old topics are gone")
    finally:
        await admin.close()
