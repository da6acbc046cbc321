"""When the system counts as having come to rest."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from shared.errors import Retryable
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.lag import ServiceLag, is_settled, service_lags, wait_until_settled
from tests.support.fresh_servers import drop_database, make_database, renew_topics
from tests.support.server_stack import Stack

TABLES = """
CREATE SCHEMA lifecycle;
CREATE TABLE lifecycle.owner (partition int, clock timestamptz, clock_mode text);
CREATE TABLE lifecycle.checkpoint (
    topic text, partition int, next_offset bigint, stopped text, ticked timestamptz
);
CREATE TABLE lifecycle.outbox (seq bigint);
"""


@pytest.fixture
async def database_url(stack: Stack) -> AsyncIterator[str]:
    """A database with the tables that matter here; two records on partition 0, one on 2."""
    url = await make_database(stack.database_url)
    await execute(url, TABLES)
    await renew_topics(stack.bootstrap, partitions=3)
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap) as producer:
        for partition in (0, 0, 2):
            await producer.send_and_wait(CUSTOMER_EVENTS, b"{}", partition=partition)
    yield url
    await drop_database(url)


async def execute(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


async def checkpoints(url: str, **offsets: int) -> None:
    rows = ", ".join(
        f"('{CUSTOMER_EVENTS}', {name[1:]}, {offset})" for name, offset in offsets.items()
    )
    await execute(url, "DELETE FROM lifecycle.checkpoint")
    await execute(
        url, f"INSERT INTO lifecycle.checkpoint (topic, partition, next_offset) VALUES {rows}"
    )


async def test_every_partition_of_a_topic_must_be_at_its_end(
    stack: Stack, database_url: str
) -> None:
    await checkpoints(database_url, p0=2, p2=0)
    assert (await service_lags(stack.bootstrap, database_url))["lifecycle"].behind == 1
    await checkpoints(database_url, p0=2)
    assert not await is_settled(stack.bootstrap, database_url)
    await checkpoints(database_url, p0=2, p2=1)
    assert await is_settled(stack.bootstrap, database_url)
    await wait_until_settled(stack.bootstrap, database_url)


async def test_an_unpublished_row_is_no_rest(stack: Stack, database_url: str) -> None:
    await checkpoints(database_url, p0=2, p2=1)
    await execute(database_url, "INSERT INTO lifecycle.outbox VALUES (1)")
    assert await service_lags(stack.bootstrap, database_url) == {"lifecycle": ServiceLag(0, 1, {})}
    assert not await is_settled(stack.bootstrap, database_url)


async def test_a_tick_whose_deadlines_are_not_applied_is_no_rest(
    stack: Stack, database_url: str
) -> None:
    await checkpoints(database_url, p0=2, p2=1)
    await execute(database_url, "INSERT INTO lifecycle.owner VALUES (0, '2024-01-01Z', 'log')")
    await execute(
        database_url, "UPDATE lifecycle.checkpoint SET ticked = '2024-01-02Z' WHERE partition = 0"
    )
    assert not await is_settled(stack.bootstrap, database_url)
    await execute(database_url, "UPDATE lifecycle.owner SET clock = '2024-01-02Z'")
    assert await is_settled(stack.bootstrap, database_url)


async def test_a_worker_that_has_not_begun_counts_as_behind_only_where_one_runs(
    stack: Stack, database_url: str
) -> None:
    assert await is_settled(stack.bootstrap, database_url)
    assert not await is_settled(stack.bootstrap, database_url, workers=["lifecycle"])


async def test_waiting_for_a_partition_that_has_stopped_is_given_up_with_its_reason(
    stack: Stack, database_url: str
) -> None:
    await checkpoints(database_url, p0=1, p2=1)
    await execute(
        database_url, "UPDATE lifecycle.checkpoint SET stopped = 'too many' WHERE partition = 0"
    )
    with pytest.raises(Retryable, match=r"lifecycle customer-events\.v1 0: too many"):
        await wait_until_settled(stack.bootstrap, database_url)
