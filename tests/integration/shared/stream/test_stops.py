"""A partition whose log is not the one we know stops alone, until an operator decides."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.referral.worker import SUBSCRIPTION as REFERRAL
from shared import metrics
from shared.clock import ClockMode, now
from shared.database import connection as db
from shared.kafka import topics
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.log.checkpoints import reset_checkpoint, resume_partition
from tests.support import referral_worker
from tests.support.builders import order
from tests.support.fresh_servers import PARTITIONS, drop_topics, eventually
from tests.support.lifecycle_worker import on, orders_of
from tests.support.pipeline import publish, rows, settled
from tests.support.server_stack import Stack
from tests.support.service_workers import WORKERS, running_worker

HERE = 3
ADA = on(HERE, "ada")
BOB = on(4, "bob")


async def checkpoint(database: str, service: str, partition: int) -> Any:
    (row,) = await rows(
        database,
        "SELECT next_offset, stopped FROM checkpoint WHERE topic = $1 AND partition = $2",
        CUSTOMER_EVENTS,
        partition,
        schema=service,
    )
    return row


async def stops(database: str, service: str) -> dict[tuple[str, int], str]:
    found = await rows(
        database,
        "SELECT topic, partition, stopped FROM checkpoint WHERE stopped IS NOT NULL",
        schema=service,
    )
    return {(row["topic"], row["partition"]): row["stopped"] for row in found}


async def is_at(database: str, service: str, partition: int, next_offset: int) -> bool:
    (row,) = await rows(
        database,
        "SELECT coalesce(max(next_offset), -1) AS n FROM checkpoint"
        " WHERE topic = $1 AND partition = $2",
        CUSTOMER_EVENTS,
        partition,
        schema=service,
    )
    found: int = row["n"]
    return found == next_offset


async def resume(database: str, service: str, partition: int) -> None:
    connection = await db.connect(database, service)
    async with db.transaction(connection) as tx:
        assert await resume_partition(tx, CUSTOMER_EVENTS, partition)
    await connection.close()


async def reset(database: str, service: str, partition: int, *, to: int) -> None:
    current = (await checkpoint(database, service, partition))["next_offset"]
    connection = await db.connect(database, service)
    async with db.transaction(connection) as tx:
        assert await reset_checkpoint(
            tx, CUSTOMER_EVENTS, partition, expected=current, next_offset=to
        )
    await connection.close()


async def make_anew(stack: Stack, names: Collection[str]) -> None:
    """Delete topics with everything in them, and create them again."""
    await drop_topics(stack.bootstrap, names)
    await topics.create_missing(stack.bootstrap, partitions=PARTITIONS)


async def delete_before(stack: Stack, partition: int, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap)
    await admin.start()
    try:
        place = TopicPartition(CUSTOMER_EVENTS, partition)
        await admin.delete_records({place: RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


@pytest.mark.parametrize("service", WORKERS)
async def test_a_topic_made_anew_and_refilled_stops_its_partition_instead_of_skipping_events(
    service: str, stack: Stack, blank: str
) -> None:
    await publish(stack.bootstrap, [order(ADA, 0), order(ADA, 1)])
    async with running_worker(service, stack, blank):
        await settled(stack, blank, service)
    await make_anew(stack, [CUSTOMER_EVENTS])
    await publish(stack.bootstrap, [*(order(ADA, n) for n in range(2, 7)), order(BOB, 0)])
    async with running_worker(service, stack, blank):
        await eventually(lambda: is_at(blank, service, 4, 1), what="the others go on")
        assert list(await stops(blank, service)) == [(CUSTOMER_EVENTS, HERE)]
        stopped = await checkpoint(blank, service, HERE)
        assert stopped["next_offset"] == 2
        assert "another log than before" in stopped["stopped"]
        assert "stammkunde checkpoints reset" in stopped["stopped"]
        await resume(blank, service, HERE)
        await eventually(lambda: stops(blank, service), what="it is still another log: stopped")
        assert await is_at(blank, service, HERE, 2)
        await reset(blank, service, HERE, to=0)
        await eventually(lambda: is_at(blank, service, HERE, 5), what="the new log is applied")
        assert not await stops(blank, service)
    async with running_worker(service, stack, blank):
        await settled(stack, blank, service)
    assert not await stops(blank, service)


async def test_a_stop_outlasts_the_worker(stack: Stack, blank: str) -> None:
    await publish(stack.bootstrap, [order(ADA, 0)])
    async with running_worker("lifecycle", stack, blank):
        await settled(stack, blank, "lifecycle")
    await rows(blank, "UPDATE lifecycle.checkpoint SET stopped = 'why' WHERE partition = 3")
    await publish(stack.bootstrap, [order(ADA, 1), order(BOB, 0)])
    async with running_worker("lifecycle", stack, blank):
        await eventually(lambda: orders_of(blank, BOB))
        assert await orders_of(blank, ADA) == 1
        await resume(blank, "lifecycle", HERE)
        await eventually(lambda: is_at(blank, "lifecycle", HERE, 2))


async def test_a_checkpoint_behind_the_end_of_the_log_stops_its_partition_alone(
    stack: Stack, blank: str
) -> None:
    async with running_worker("lifecycle", stack, blank):
        await settled(stack, blank, "lifecycle")
    await rows(
        blank,
        "UPDATE lifecycle.checkpoint SET next_offset = 7 WHERE partition = 3 AND topic = $1",
        CUSTOMER_EVENTS,
    )
    await publish(stack.bootstrap, [order(ADA, 0), order(BOB, 0)])
    async with running_worker("lifecycle", stack, blank):
        await eventually(lambda: orders_of(blank, BOB))
        (reason,) = (await stops(blank, "lifecycle")).values()
        assert "checkpoint 7 of customer-events.v1 3 lies outside the log (0 … 1)" in reason
        await reset(blank, "lifecycle", HERE, to=0)
        await eventually(lambda: orders_of(blank, ADA))


async def test_a_log_that_is_cut_before_a_checkpoint_stops_the_partition_of_a_running_worker(
    stack: Stack, blank: str
) -> None:
    """The worker is held by a stop, so that it has not read on."""
    await publish(stack.bootstrap, [order(ADA, 0)])
    async with running_worker("lifecycle", stack, blank):
        await settled(stack, blank, "lifecycle")
    await rows(blank, "UPDATE lifecycle.checkpoint SET stopped = 'why' WHERE partition = 3")
    await publish(stack.bootstrap, [order(ADA, n) for n in range(1, 5)])
    async with running_worker("lifecycle", stack, blank):
        await delete_before(stack, HERE, 3)
        await resume(blank, "lifecycle", HERE)

        async def reason() -> str:
            found = (await stops(blank, "lifecycle")).get((CUSTOMER_EVENTS, HERE), "why")
            return "" if found == "why" else found

        assert "checkpoint 1 of customer-events.v1 3 lies outside the log (3 … 5)" in (
            await eventually(reason)
        )


async def test_where_the_last_record_has_left_the_log_nothing_is_compared_but_counted(
    stack: Stack, blank: str
) -> None:
    await publish(stack.bootstrap, [order(ADA, n) for n in range(3)])
    async with running_worker("lifecycle", stack, blank):
        await settled(stack, blank, "lifecycle")
    await delete_before(stack, HERE, 3)
    counter = metrics.LOGS_NOT_COMPARED.labels(CUSTOMER_EVENTS)
    before = counter._value.get()
    await publish(stack.bootstrap, [order(ADA, 3)])
    async with running_worker("lifecycle", stack, blank):
        await settled(stack, blank, "lifecycle")
    assert await orders_of(blank, ADA) == 4
    assert counter._value.get() == before + 1


async def test_in_wall_time_the_clock_of_a_partition_that_has_stopped_stands(
    stack: Stack, blank: str
) -> None:
    """Its log is shorter than before: by offsets alone it would seem to have been read."""
    await publish(stack.bootstrap, [order(ADA, now()), order(ADA, now())])
    async with running_worker("lifecycle", stack, blank, clock=ClockMode.WALL):
        await eventually(lambda: is_at(blank, "lifecycle", HERE, 2))
    await make_anew(stack, [CUSTOMER_EVENTS])
    stopped_at = now()

    async def clock_of(partition: int) -> datetime:
        (row,) = await rows(
            blank, "SELECT clock FROM lifecycle.owner WHERE partition = $1", partition
        )
        found: datetime = row["clock"]
        return found

    async with running_worker("lifecycle", stack, blank, clock=ClockMode.WALL):

        async def others_moved() -> bool:
            return await clock_of(4) > stopped_at + timedelta(seconds=2)

        await eventually(others_moved)
    assert await clock_of(HERE) < stopped_at
    assert (CUSTOMER_EVENTS, HERE) in await stops(blank, "lifecycle")


async def test_the_partitions_of_a_service_are_listed_with_what_has_stopped(
    stack: Stack, blank: str
) -> None:
    await publish(stack.bootstrap, [order(ADA, 0)])
    async with running_worker("referral", stack, blank):
        await settled(stack, blank, "referral")
    await rows(
        blank,
        "UPDATE referral.checkpoint SET stopped = 'why' WHERE partition = 3 AND topic = $1",
        CUSTOMER_EVENTS,
    )
    async with referral_worker.client_of(referral_worker.settings(stack, blank)) as client:
        first = (await client.get("/v1/partitions?limit=20")).json()
        rest = (await client.get(f"/v1/partitions?cursor={first['next_cursor']}")).json()
    listed = [*first["items"], *rest["items"]]
    places = [(each["topic"], each["partition"]) for each in listed]
    assert places == sorted((t, p) for t in REFERRAL.topics for p in range(PARTITIONS))
    assert rest["next_cursor"] is None
    assert [each for each in listed if each["stopped"]] == [
        {
            "topic": CUSTOMER_EVENTS,
            "partition": HERE,
            "next_offset": 1,
            "stopped": "why",
            "clock": "1970-01-01T00:00:00Z",
            "epoch": 1,
        }
    ]
