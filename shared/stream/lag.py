"""Whether the system has come to rest: every checkpoint at the end of its log, every outbox empty."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.errors import Retryable
from shared.kafka.topics import CUSTOMER_EVENTS, partitions_of
from shared.processes import CONSUMERS

PAUSE_S: Final = 0.25
"""Between two looks: counting what a backlog has left to publish takes time from those who work it off."""
_CHECKPOINTS: Final = "SELECT topic, partition, next_offset, braked FROM checkpoint"
_TICKING: Final = """
SELECT count(*) FROM owner JOIN checkpoint USING (partition) WHERE clock_mode = 'log' AND ticked > clock
"""


@dataclass(frozen=True, slots=True)
class ServiceLag:
    """How far one service is: records and ticks not yet applied, records not yet published, and paused partitions with
    the reason."""

    behind: int
    unpublished: int
    braked: Mapping[str, str]

    @property
    def is_settled(self) -> bool:
        return self.behind == 0 and self.unpublished == 0


@dataclass(frozen=True, slots=True)
class _Rows:
    checkpoints: dict[tuple[str, int], int]
    braked: dict[str, str]
    ticking: int
    outbox: int


async def standings(
    bootstrap: str, database_url: str, *, workers: Collection[str] = ()
) -> dict[str, ServiceLag]:
    """Where each service with a schema stands.

    A service named in `workers` counts as behind with all of customer-events until its worker has checkpoints.
    """
    rows = await _read(database_url)
    topics = {topic for found in rows.values() for topic, _ in found.checkpoints} | {
        CUSTOMER_EVENTS
    }
    places = await spans(bootstrap, topics)
    return {
        service: ServiceLag(
            found.ticking + _behind(found, places, expected=service in workers),
            found.outbox,
            found.braked,
        )
        for service, found in rows.items()
    }


async def settled(bootstrap: str, database_url: str, *, workers: Collection[str] = ()) -> bool:
    """True if every service with a schema has applied the whole log and published its whole outbox.

    Seen once it may be the moment between two services: believe it when it is seen twice in a row.
    """
    return all(
        s.is_settled for s in (await standings(bootstrap, database_url, workers=workers)).values()
    )


async def wait_until_settled(
    bootstrap: str,
    database_url: str,
    *,
    workers: Collection[str] = (),
    watch: Callable[[Mapping[str, ServiceLag]], None] = lambda _: None,
) -> None:
    """Return when everything was seen at rest twice in a row; Retryable if a worker's brake is on."""
    seen = 0
    while True:
        now = await standings(bootstrap, database_url, workers=workers)
        watch(now)
        braked = [
            f"{service} {where}: {why}"
            for service, s in now.items()
            for where, why in s.braked.items()
        ]
        if braked:
            raise Retryable("paused by too many dead letters: " + "; ".join(braked))
        seen = seen + 1 if all(s.is_settled for s in now.values()) else 0
        if seen == 2:
            return
        await asyncio.sleep(PAUSE_S)


def _behind(
    found: _Rows, spans: Mapping[tuple[str, int], tuple[int, int]], *, expected: bool
) -> int:
    topics = {topic for topic, _ in found.checkpoints}
    if expected:
        topics.add(CUSTOMER_EVENTS)
    return sum(
        max(0, end - found.checkpoints.get((topic, partition), begin))
        for (topic, partition), (begin, end) in spans.items()
        if topic in topics
    )


async def _read(database_url: str) -> dict[str, _Rows]:
    connection = await asyncpg.connect(database_url)
    try:
        return {
            service: rows
            for service in CONSUMERS
            if (rows := await _read_service(connection, service))
        }
    finally:
        await connection.close()


async def _read_service(
    connection: "asyncpg.Connection[asyncpg.Record]", service: str
) -> _Rows | None:
    if await connection.fetchval("SELECT to_regclass($1)", f"{service}.checkpoint") is None:
        return None
    await connection.execute("SELECT set_config('search_path', $1, false)", service)
    # Checkpoints before the outbox: a batch that commits in between shows as unpublished rows, never as rest.
    found = await connection.fetch(_CHECKPOINTS)
    ticking = await connection.fetchval(_TICKING)
    outbox = await connection.fetchval("SELECT count(*) FROM outbox")
    return _Rows(
        checkpoints={(row["topic"], row["partition"]): row["next_offset"] for row in found},
        braked={
            f"{row['topic']} {row['partition']}": row["braked"] for row in found if row["braked"]
        },
        ticking=int(ticking),
        outbox=int(outbox),
    )


async def spans(bootstrap: str, topics: Collection[str]) -> dict[tuple[str, int], tuple[int, int]]:
    """First and end offset of every partition of the topics that exist."""
    places = [
        TopicPartition(topic, p)
        for topic, n in (await partitions_of(bootstrap, topics)).items()
        for p in range(n)
    ]
    if not places:
        return {}
    # Asked for offsets, a new consumer learns of one topic after the other, with a pause of this length before each.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        retry_backoff_ms=5,
    )
    await consumer.start()
    try:
        begins, ends = await asyncio.gather(
            consumer.beginning_offsets(places), consumer.end_offsets(places)
        )
        return {(place.topic, place.partition): (begins[place], ends[place]) for place in places}
    finally:
        await consumer.stop()
