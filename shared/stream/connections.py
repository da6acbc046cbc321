"""The connections of one session to Kafka and PostgreSQL, closed again when it ends."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from shared.database import connection as db
from shared.error_texts import describe
from shared.errors import Retryable
from shared.kafka.producer import create_producer
from shared.settings import Settings
from shared.stream.handler import Reader


@dataclass(frozen=True, slots=True)
class Connections:
    """`writer` serves the batches' transactions, `reader` the handler, `relaying` the relay.

    `new_producer` makes one like `producer`, not started. The consumer is not started yet: first it
    must be told who listens to its rebalances.
    """

    writer: "asyncpg.Connection[asyncpg.Record]"
    reader: Reader
    relaying: "asyncpg.Connection[asyncpg.Record]"
    producer: AIOKafkaProducer
    new_producer: Callable[[], AIOKafkaProducer]
    consumer: AIOKafkaConsumer


@asynccontextmanager
async def connect(service: str, settings: Settings) -> AsyncIterator[Connections]:
    """Connect for one session; raises Retryable if a server cannot be reached."""
    async with AsyncExitStack() as stack:
        writer = await _database(stack, service, settings)
        reader = await _database(stack, service, settings)
        new_producer = partial(create_producer, settings.kafka_bootstrap, client_id=service)
        producer = new_producer()
        await stack.enter_async_context(started(producer))
        relaying = await _database(stack, service, settings)
        consumer = _new_consumer(service, settings)
        yield Connections(writer, reader, relaying, producer, new_producer, consumer)


@asynccontextmanager
async def started(client: AIOKafkaConsumer | AIOKafkaProducer) -> AsyncIterator[None]:
    """Start a Kafka client, and stop it at the end of the block."""
    try:
        try:
            await client.start()
        except KafkaError as error:
            raise Retryable(f"Kafka cannot be reached: {describe(error)}") from error
        yield
    finally:
        await client.stop()


async def _database(
    stack: AsyncExitStack, service: str, settings: Settings
) -> "asyncpg.Connection[asyncpg.Record]":
    connection = await db.connect(settings.database_url.get_secret_value(), service)
    stack.callback(connection.terminate)
    return connection


def _new_consumer(service: str, settings: Settings) -> AIOKafkaConsumer:
    member = f"{service}-{settings.worker}"
    session_ms = int(settings.session_timeout_s * 1000)
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=f"stammkunde-{service}",
        group_instance_id=member,
        client_id=member,
        partition_assignment_strategy=(RangePartitionAssignor,),
        enable_auto_commit=False,
        auto_offset_reset="none",
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=session_ms // 4,
        rebalance_timeout_ms=30_000,
        max_partition_fetch_bytes=4 << 20,
        fetch_max_bytes=32 << 20,
        fetch_max_wait_ms=200,
    )
