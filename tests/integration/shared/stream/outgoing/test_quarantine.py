"""Rows that cannot be published: what is theirs waits, in order, and all else goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NotEnoughReplicasError

from shared import metrics
from shared.database import connection as db
from shared.errors import Fenced
from shared.events.envelope import Envelope, encode, pack
from shared.kafka.producer import MAX_EVENT, create_producer
from shared.kafka.topics import WINBACK_EVENTS
from shared.stream.outgoing import outbox, quarantine
from shared.stream.outgoing.outbox import Message
from shared.stream.outgoing.partition_queue import Delivery, PartitionQueue, Row
from shared.stream.outgoing.relay import Limits, Relay
from tests.support.builders import day
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.pipeline import by_partition, rows
from tests.support.server_stack import Stack

NARROW = "narrow.v1"
"""A topic that takes small records with a key only."""
SMALL = 2_000
UNLIMITED = Limits()
HERE = 5
THERE = 6


def message(
    customer: str | None, number: int, *, size: int = 0, place: int = HERE, topic: str = NARROW
) -> Message:
    event = Envelope(
        id=f"{number}",
        source=f"/{customer}",
        type="test.written",
        subject=customer or "",
        time=day(0),
        data=pack({"text": "x" * size}),
    )
    return Message(place, topic, customer, encode(event))


@pytest.fixture
async def narrow(stack: Stack) -> AsyncIterator[None]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap)
    await admin.start()
    config = {"max.message.bytes": str(SMALL), "cleanup.policy": "compact"}
    await admin.create_topics([NewTopic(NARROW, PARTITIONS, 1, topic_configs=config)])
    yield
    await admin.delete_topics([NARROW])
    await admin.close()


async def widen(stack: Stack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap)
    await admin.start()
    limits = {"max.message.bytes": "5242880", "cleanup.policy": "compact"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, NARROW, configs=limits)])
    await admin.close()


@asynccontextmanager
async def relay(
    stack: Stack, url: str, *, limits: Limits = UNLIMITED, epoch: int = 1
) -> AsyncIterator[tuple[Relay, db.Tx]]:
    """A relay that owns two partitions, and its connection."""
    new_producer: Callable[[], AIOKafkaProducer] = partial(
        create_producer, stack.bootstrap, client_id="tests"
    )
    connection = await db.connect(url, "lifecycle")
    producer = new_producer()
    await producer.start()
    epochs = {HERE: epoch, THERE: epoch}
    made = Relay(connection, producer, lambda: epochs, new_producer=new_producer, limits=limits)
    try:
        await connection.execute(
            "INSERT INTO owner (partition, epoch, clock, clock_mode)"
            " SELECT unnest($1::int[]), $2, $3, 'log' ON CONFLICT DO NOTHING",
            list(epochs),
            epoch,
            day(0),
        )
        yield made, connection
    finally:
        await made.close()
        await producer.stop()
        await connection.close()


async def drained(relay: Relay) -> None:
    """Publish until nothing is there any more; a refusal needs more than one round."""
    for _ in range(20):
        await relay.publish()
    assert await relay.publish() == 0


async def topic_has(stack: Stack, topic: str = NARROW) -> list[tuple[str, str]]:
    """Whose records are there, and their numbers, in the order of each partition."""
    found = await by_partition(stack.bootstrap, topic)
    return [(e.source, e.id) for place in (HERE, THERE) for e in found[place]]


async def quarantined(url: str) -> list[tuple[str | None, str]]:
    found = await rows(url, "SELECT key, reason FROM lifecycle.quarantine ORDER BY seq")
    return [(row["key"], row["reason"]) for row in found]


async def left(url: str) -> int:
    found: int = (await rows(url, "SELECT count(*) AS n FROM lifecycle.outbox"))[0]["n"]
    return found


MIXED = [
    message("bob", 0),
    message("ada", 0),
    message("bob", 1),
    message("ada", 1, size=SMALL),
    message("ada", 2),
    message("bob", 2),
    message("eve", 0, place=THERE),
]
ALL_BUT_ADAS = [("/bob", "0"), ("/ada", "0"), ("/bob", "1"), ("/bob", "2"), ("/eve", "0")]


@pytest.mark.usefixtures("narrow")
async def test_only_the_customer_of_a_record_that_kafka_refuses_waits(
    stack: Stack, blank: str
) -> None:
    before = metrics.OUTBOX_QUARANTINED._value.get()
    async with relay(stack, blank) as (mine, tx):
        await outbox.add(tx, MIXED)
        await drained(mine)
        await outbox.add(tx, [message("ada", 3)])
        await drained(mine)
        (held,) = await quarantine.load(tx)
    assert (held.customer, held.partition, held.rows, held.topic) == ("ada", HERE, 3, NARROW)
    assert (held.bytes > SMALL, held.reason) == (True, "MessageSizeTooLargeError")
    assert await topic_has(stack) == ALL_BUT_ADAS
    assert await quarantined(blank) == [
        ("ada", "MessageSizeTooLargeError"),
        ("ada", quarantine.WAITS),
        ("ada", quarantine.WAITS),
    ]
    assert (await left(blank), metrics.OUTBOX_QUARANTINED._value.get() - before) == (0, 1)


@pytest.mark.usefixtures("narrow")
async def test_what_is_released_comes_in_order_and_before_what_is_new(
    stack: Stack, blank: str
) -> None:
    async with relay(stack, blank) as (mine, tx):
        await outbox.add(tx, MIXED)
        await drained(mine)
        await outbox.add(tx, [message("ada", 3)])
        await widen(stack)
        async with db.transaction(tx):
            assert await quarantine.release(tx, "bob") == 0
            assert await quarantine.release(tx, "ada") == 2
        await drained(mine)
    assert [record for record in await topic_has(stack) if record[0] == "/ada"] == [
        ("/ada", f"{n}") for n in range(4)
    ]
    assert (await quarantined(blank), await left(blank)) == ([], 0)


@pytest.mark.usefixtures("narrow")
async def test_a_record_of_nobody_that_kafka_refuses_holds_nobody_up(
    stack: Stack, blank: str
) -> None:
    """A compacted topic answers INVALID_RECORD to records without a key."""
    async with relay(stack, blank) as (mine, tx):
        await outbox.add(tx, [message("bob", 0), message(None, 0), message("bob", 1)])
        await drained(mine)
    assert await topic_has(stack) == [("/bob", "0"), ("/bob", "1")]
    assert await quarantined(blank) == [(None, "InvalidRecordError")]


async def test_a_record_larger_than_any_topic_takes_is_not_even_read(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Relay._send
    largest = list[int]()

    async def send(self: Relay, found: list[Row]) -> Delivery:
        largest.append(max(len(row["body"] or b"") for row in found))
        return await original(self, found)

    monkeypatch.setattr(Relay, "_send", send)
    large = [message("ada", n, size=n * MAX_EVENT, topic=WINBACK_EVENTS) for n in range(3)]
    async with relay(stack, blank) as (mine, tx):
        await outbox.add(tx, [*large, message("bob", 0, topic=WINBACK_EVENTS)])
        await drained(mine)
    assert await topic_has(stack, WINBACK_EVENTS) == [("/ada", "0"), ("/bob", "0")]
    assert [reason for _, reason in await quarantined(blank)] == [
        f"larger than {MAX_EVENT} bytes",
        quarantine.WAITS,
    ]
    assert max(largest) < SMALL


@pytest.mark.usefixtures("narrow")
async def test_a_zombie_puts_nothing_into_quarantine(stack: Stack, blank: str) -> None:
    async with relay(stack, blank, epoch=2) as (owner, tx), relay(stack, blank) as (zombie, _):
        await outbox.add(tx, [message("ada", 0, size=SMALL)])
        with pytest.raises(Fenced):
            await drained(zombie)
        await drained(owner)
        await outbox.add(tx, [message("ada", 1)])
        with pytest.raises(Fenced):
            await zombie.publish()
        assert (await left(blank), len(await quarantined(blank))) == (1, 1)


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "failing"])
async def test_a_partition_in_trouble_neither_stops_nor_repeats_another(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    original = AIOKafkaProducer.send_batch
    answered = asyncio.Event()

    async def send_batch(self: Any, batch: Any, topic: str, *, partition: int) -> Any:
        if partition == HERE and not answered.is_set():
            if silent:
                await answered.wait()
            raise NotEnoughReplicasError
        return await original(self, batch, topic, partition=partition)

    monkeypatch.setattr(AIOKafkaProducer, "send_batch", send_batch)
    here = [message("ada", n, topic=WINBACK_EVENTS) for n in range(3)]
    async with relay(stack, blank) as (mine, _), relay(stack, blank) as (_, other):
        await outbox.add(other, here)
        running = asyncio.create_task(mine.run())
        for n in range(20):
            await outbox.add(other, [message("eve", n, place=THERE, topic=WINBACK_EVENTS)])
            mine.wake()
            await asyncio.sleep(0.02)

        async def only_ours_are_left() -> bool:
            return await left(blank) == len(here)

        await eventually(only_ours_are_left)
        answered.set()

        async def nothing_is_left() -> bool:
            return not await left(blank)

        await eventually(nothing_is_left)
        running.cancel()
    assert await topic_has(stack, WINBACK_EVENTS) == [
        *(("/ada", f"{n}") for n in range(3)),
        *(("/eve", f"{n}") for n in range(20)),
    ]


async def test_no_more_bytes_are_under_way_than_allowed_but_a_row_for_each_partition(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = PartitionQueue.send
    sizes = list[list[int]]()

    async def send(self: PartitionQueue, found: list[Row]) -> Delivery:
        sizes.append([len(row["body"]) for row in found])
        return await original(self, found)

    monkeypatch.setattr(PartitionQueue, "send", send)
    limits = Limits(rows=7, bytes=200_000)
    written = [
        message("ada", n, size=30_000 if n < 20 else 10, place=place, topic=WINBACK_EVENTS)
        for n in range(40)
        for place in (HERE, THERE)
    ]
    async with relay(stack, blank, limits=limits) as (mine, tx):
        await outbox.add(tx, written)
        await drained(mine)
    assert await topic_has(stack, WINBACK_EVENTS) == 2 * [("/ada", f"{n}") for n in range(40)]
    assert {len(some) for some in sizes} == {4, 7, 6}
    assert all(sum(some[:-1]) <= limits.bytes / 2 for some in sizes)
