"""Drive a worker in a test: publish events as ingest does, run its loop, wait until it rests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from services.lifecycle.settings import LifecycleSettings
from shared.clock import ClockMode
from shared.events.envelope import Envelope, decode
from shared.ids import partition_of
from shared.kafka.producer import create_producer
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.settings import Settings
from shared.stream.consume import consume
from shared.stream.handler import Handler, Reader, Subscription
from shared.stream.lag import service_lags
from shared.stream.session import Session
from tests.support.builders import encode
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.server_stack import Stack


def worker_settings(stack: Stack, database: str, **more: Any) -> LifecycleSettings:
    """Settings of a worker in log time."""
    return LifecycleSettings(
        kafka_bootstrap=stack.bootstrap,
        database_url=database,
        api_key=SecretStr("key-of-the-tests"),
        **{
            "clock": ClockMode.LOG,
            "partitions": PARTITIONS,
            "port": 0,
            "session_timeout_s": 6,
            **more,
        },
    )


async def publish(
    bootstrap: str, events: Iterable[dict[str, Any]], *, topic: str = CUSTOMER_EVENTS
) -> None:
    """Put events on the topic in their order; control records go to every partition."""
    producer = create_producer(bootstrap, client_id="tests")
    await producer.start()
    try:
        acks = []
        for event in events:
            subject = event.get("subject")
            places = range(PARTITIONS) if subject is None else [partition_of(subject, PARTITIONS)]
            key = None if subject is None else subject.encode()
            acks += [
                await producer.send(topic, encode(event), key=key, partition=place)
                for place in places
            ]
        await asyncio.gather(*acks)
    finally:
        await producer.stop()


@asynccontextmanager
async def running(
    subscription: Subscription,
    settings: Settings,
    new_handler: Callable[[Reader], Handler[Any]],
    watch: Callable[[Session], None] = lambda _: None,
) -> AsyncIterator[None]:
    """A worker's loop in this process, until the block ends."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(consume(subscription, settings, new_handler, stop, watch))
        try:
            yield
        finally:
            stop.set()


async def settled(stack: Stack, database: str, *services: str, within_s: float = 30) -> None:
    """Wait until services have applied and published everything, seen twice in a row."""

    async def rests() -> bool:
        found = await service_lags(stack.bootstrap, database, workers=services)
        return all(found[service].is_settled for service in services)

    for _ in range(2):
        await eventually(rests, within_s=within_s, every_s=0.1, what=f"{services} rest")


async def published(bootstrap: str, topic: str) -> list[Envelope]:
    """All events on a topic, each partition's in order; control records such as ticks left out."""
    found = [
        event for events in (await by_partition(bootstrap, topic)).values() for event in events
    ]
    return [event for event in found if event.subject]


async def by_partition(bootstrap: str, topic: str) -> dict[int, list[Envelope]]:
    """All records on a topic by partition, in order."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: dict[int, list[Envelope]] = {place.partition: [] for place in places}
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                found[place.partition] += [decode(record.value) for record in records]
        return found
    finally:
        await consumer.stop()


async def rows(
    database: str, query: str, *args: Any, schema: str = "public"
) -> Sequence[asyncpg.Record]:
    """The rows of a query, as superuser; names without a schema are those of `schema`."""
    connection = await asyncpg.connect(database, server_settings={"search_path": schema})
    try:
        return await connection.fetch(query, *args)
    finally:
        await connection.close()


_MISCOUNTED: Final = """
WITH counted AS (
    SELECT (t.occurred_at AT TIME ZONE 'UTC')::date AS day,
        coalesce(t.from_phase, '') AS from_phase, t.to_phase,
        t.rule, coalesce(c.account, '') AS account, c.partition, count(*) AS n
    FROM lifecycle.transition AS t JOIN lifecycle.customer AS c USING (customer)
    WHERE t.withdrawn IS NULL
    GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT * FROM counted
FULL JOIN (SELECT * FROM lifecycle.flow WHERE n <> 0) AS kept
USING (day, from_phase, to_phase, rule, account, partition)
WHERE counted.n IS DISTINCT FROM kept.n
"""
_MISTALLIED: Final = """
WITH busy AS (
    SELECT DISTINCT customer, (at AT TIME ZONE 'UTC')::date AS day FROM (
        SELECT customer, occurred_at AS at FROM lifecycle.transition WHERE withdrawn IS NULL
        UNION ALL SELECT customer, signed_up_at FROM lifecycle.customer
        UNION ALL SELECT customer, activated_at FROM lifecycle.customer
    ) AS something WHERE at IS NOT NULL
),
standing AS (
    SELECT b.day, held.fact, c.partition, edge.n, (
        SELECT t.to_phase FROM lifecycle.transition AS t
        WHERE t.customer = b.customer AND t.withdrawn IS NULL
            AND (t.occurred_at AT TIME ZONE 'UTC')::date < b.day + edge.days
        ORDER BY t.position DESC LIMIT 1
    ) AS phase
    FROM busy AS b JOIN lifecycle.customer AS c USING (customer)
    CROSS JOIN (VALUES (0, -1), (1, 1)) AS edge(days, n)
    CROSS JOIN LATERAL (
        VALUES ('signed_up', signed_up_at), ('activated', activated_at)
    ) AS held(fact, since)
    WHERE (held.since AT TIME ZONE 'UTC')::date < b.day + edge.days
),
counted AS (
    SELECT day, what, name, partition, count(*) AS n FROM (
        SELECT (t.occurred_at AT TIME ZONE 'UTC')::date AS day, 'cause' AS what,
            split_part(cause, ':', 1) AS name, c.partition
        FROM lifecycle.transition AS t JOIN lifecycle.customer AS c USING (customer)
        CROSS JOIN jsonb_array_elements_text(
            convert_from(t.body, 'UTF8')::jsonb -> 'profile' -> 'causes'
        ) AS cause
        WHERE t.withdrawn IS NULL AND t.to_phase = 'at_risk'
        UNION ALL
        SELECT (h.at AT TIME ZONE 'UTC')::date, 'hint', h.name, c.partition
        FROM lifecycle.hint AS h JOIN lifecycle.customer AS c USING (customer)
    ) AS told GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT day, fact, phase, partition, sum(n) FROM standing
    WHERE (phase, fact)
        IN (('prospect', 'signed_up'), ('new', 'activated'), ('won_back', 'activated'))
    GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0
)
SELECT * FROM counted
FULL JOIN (SELECT * FROM lifecycle.tally WHERE n <> 0) AS kept USING (day, what, name, partition)
WHERE counted.n IS DISTINCT FROM kept.n
"""


async def daily_counts_hold(database: str) -> None:
    """Check the worker's daily counts against the current transitions, hints and facts."""
    assert await rows(database, _MISCOUNTED) == []
    assert await rows(database, _MISTALLIED) == []
