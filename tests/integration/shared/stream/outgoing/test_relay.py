"""The relay on real Kafka and PostgreSQL, with other writers and other owners of its partition."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from services.lifecycle.changes.repository import ARCHIVE
from shared.clock import ClockMode
from shared.database import connection as db
from shared.errors import Fenced, Retryable
from shared.events.envelope import Envelope, encode
from shared.kafka.producer import create_producer
from shared.kafka.topics import PHASE_TRANSITIONS, WINBACK_EVENTS
from shared.stream.log import ownership
from shared.stream.outgoing import outbox
from shared.stream.outgoing.outbox import Message
from shared.stream.outgoing.partition_queue import Delivery
from shared.stream.outgoing.relay import Relay
from shared.stream.session import Session
from tests.support.builders import day, order
from tests.support.fresh_servers import eventually
from tests.support.lifecycle_worker import on, orders_of, worker
from tests.support.pipeline import by_partition, publish, rows, settled
from tests.support.server_stack import Stack

PLACE = 5


def message(writer: str, number: int) -> Message:
    """Lifecycle does not read this topic, so it carries what a test likes."""
    event = Envelope(
        id=f"{number}",
        source=f"/{writer}",
        type="test.written",
        subject=on(PLACE, "ada"),
        time=day(0),
    )
    return Message(PLACE, WINBACK_EVENTS, event.subject, encode(event))


@asynccontextmanager
async def connection(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    made = await db.connect(url, "lifecycle")
    try:
        yield made
    finally:
        await made.close()


async def write(url: str, writer: str, *, transactions: int = 20, rows_each: int = 5) -> None:
    async with connection(url) as mine:
        for n in range(transactions):
            async with db.transaction(mine) as tx:
                await outbox.add(tx, [message(writer, n * rows_each + i) for i in range(rows_each)])


async def seen(stack: Stack) -> list[tuple[str, int]]:
    found = (await by_partition(stack.bootstrap, WINBACK_EVENTS))[PLACE]
    return [(event.source, int(event.id)) for event in found]


async def left(url: str) -> int:
    (row,) = await rows(url, "SELECT count(*) AS n FROM lifecycle.outbox")
    found: int = row["n"]
    return found


async def emptied(url: str) -> bool:
    return not await left(url)


async def epoch(url: str) -> int:
    found = await rows(url, "SELECT epoch FROM lifecycle.owner WHERE partition = $1", PLACE)
    return found[0]["epoch"] if found else 0


async def test_rows_of_other_writers_are_published_once_and_each_writers_in_order(
    stack: Stack, blank: str
) -> None:
    async with worker(stack, blank):
        await eventually(lambda: epoch(blank))
        await asyncio.gather(write(blank, "a"), write(blank, "b"))
        await eventually(lambda: emptied(blank))
    found = await seen(stack)
    assert [n for source, n in found if source == "/a"] == list(range(100))
    assert [n for source, n in found if source == "/b"] == list(range(100))


async def test_a_row_that_is_committed_behind_later_ones_is_not_forgotten(
    stack: Stack, blank: str
) -> None:
    async with worker(stack, blank), connection(blank) as slow:
        await eventually(lambda: epoch(blank))
        async with db.transaction(slow) as tx:
            await outbox.add(tx, [message("slow", 0)])
            await write(blank, "quick", transactions=1, rows_each=2)
            await eventually(lambda: emptied(blank))
        await eventually(lambda: emptied(blank))
    assert await seen(stack) == [("/quick", 0), ("/quick", 1), ("/slow", 0)]


async def test_what_a_dead_owner_left_is_published_by_the_next(stack: Stack, blank: str) -> None:
    await write(blank, "api")
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
    assert await seen(stack) == [("/api", n) for n in range(100)]


async def test_a_relay_that_lost_its_partition_deletes_nothing_and_its_worker_joins_anew(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the rows and deleting them somebody else became the owner."""
    original = Relay._send
    robbed = asyncio.Event()

    async def send(self: Relay, found: list[asyncpg.Record]) -> Delivery:
        delivery = await original(self, found)
        if not robbed.is_set():
            await rows(blank, "UPDATE lifecycle.owner SET epoch = epoch + 1")
            robbed.set()
        return delivery

    monkeypatch.setattr(Relay, "_send", send)
    sessions = list[Session]()
    async with worker(stack, blank, watch=sessions.append):
        await eventually(lambda: epoch(blank))
        await write(blank, "api", transactions=1)
        await eventually(robbed.is_set)
        await eventually(lambda: emptied(blank))
        assert await epoch(blank) == 3
    assert len(sessions) == 2
    assert await seen(stack) == [("/api", n) for n in range(5)] * 2, (
        "repeated by the next owner, never lost"
    )


async def test_a_batch_that_lost_its_partition_leaves_no_trace_and_is_done_again(
    stack: Stack, blank: str
) -> None:
    ada = on(PLACE, "ada")
    sessions = list[Session]()
    async with worker(stack, blank, watch=sessions.append):
        await publish(stack.bootstrap, [order(ada, 0)])
        await settled(stack, blank, "lifecycle")
        await rows(blank, "UPDATE lifecycle.owner SET epoch = epoch + 1")
        await publish(stack.bootstrap, [order(ada, 1)])
        await settled(stack, blank, "lifecycle")
        assert len(sessions) == 2, "nothing was announced, so it was the batch that noticed"
        await publish(stack.bootstrap, [order(ada, 2)])
        await settled(stack, blank, "lifecycle")
    assert await orders_of(blank, ada) == 3
    assert (len(sessions), await epoch(blank)) == (2, 3)
    found = await rows(blank, "SELECT rule FROM lifecycle.transition ORDER BY version")
    assert [row["rule"] for row in found] == ["first_purchase", "habit_formed"]


# -- the archive of what was published ---------------------------------------------------------


async def archived(url: str, *, floor: int = 0) -> list[str]:
    """The ids of the records kept, by their numbers, which have no gaps behind what was deleted."""
    found = await rows(
        url,
        "SELECT seq, convert_from(body, 'UTF8')::jsonb ->> 'id' AS id FROM lifecycle.change"
        " WHERE partition = $1 ORDER BY seq",
        PLACE,
    )
    assert [row["seq"] for row in found] == list(range(floor + 1, floor + len(found) + 1))
    return [row["id"] for row in found]


@pytest.mark.parametrize("robbed", [True, False], ids=["robbed", "killed"])
async def test_what_is_published_again_because_it_was_not_deleted_is_archived_once(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch, robbed: bool
) -> None:
    """Between Kafka's acknowledgement and the deletion another owner comes, or the relay dies."""
    original = Relay._send
    struck = asyncio.Event()

    async def send(self: Relay, found: list[asyncpg.Record]) -> Delivery:
        delivery = await original(self, found)
        if not struck.is_set():
            struck.set()
            if not robbed:
                raise Retryable("killed")
            await rows(blank, "UPDATE lifecycle.owner SET epoch = epoch + 1")
        return delivery

    monkeypatch.setattr(Relay, "_send", send)
    customers = [on(PLACE, f"customer{n}-") for n in range(5)]
    await publish(stack.bootstrap, [order(customer, n) for n, customer in enumerate(customers)])
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
    published = [
        event.id for event in (await by_partition(stack.bootstrap, PHASE_TRANSITIONS))[PLACE]
    ]
    assert len(published) == 2 * len(customers), "the topic has them twice"
    assert await archived(blank) == published[: len(customers)] == published[len(customers) :]


RECORDS = [
    Envelope(id=f"{n}", source="/test", type="phase.changed", subject="ada", time=day(n))
    for n in range(5)
]
SENT = [Message(PLACE, PHASE_TRANSITIONS, event.subject, encode(event)) for event in RECORDS]


@asynccontextmanager
async def producing(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    producer = create_producer(stack.bootstrap, client_id="tests")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def relay(
    connection: "asyncpg.Connection[asyncpg.Record]", producer: AIOKafkaProducer, epoch: int
) -> Relay:
    return Relay(
        connection,
        producer,
        lambda: {PLACE: epoch},
        new_producer=lambda: producer,
        archive=ARCHIVE,
    )


async def test_of_two_relays_only_the_owners_archives(stack: Stack, blank: str) -> None:
    tick = Envelope(id="tick", source="/test", type="clock.ticked", time=day(9))
    others = [Message(PLACE, PHASE_TRANSITIONS, None, encode(tick)), message("other topic", 0)]
    async with connection(blank) as mine, connection(blank) as theirs, producing(stack) as producer:
        await mine.execute("INSERT INTO owner VALUES ($1, 2, $2, 'log')", PLACE, day(0))
        await mine.execute("INSERT INTO change_floor VALUES ($1, 41)", PLACE)
        await outbox.add(mine, [*SENT, *others])
        owner = relay(mine, producer, 2)
        zombie = relay(theirs, producer, 1)
        with pytest.raises(Fenced):
            await zombie.publish()
        assert await archived(blank) == []
        assert await owner.publish() == 7
        assert await archived(blank, floor=41) == [event.id for event in RECORDS], (
            "no tick, nothing of other topics"
        )
        assert await zombie.publish() == await left(blank) == 0


async def take(tx: db.Tx) -> int:
    """Become the owner; returns the epoch."""
    claims = await ownership.take(tx, {(PHASE_TRANSITIONS, PLACE): 0}, ClockMode.LOG)
    return claims[PLACE].epoch


async def held_up(url: str, task: asyncio.Task[int]) -> None:
    """Returns once the task waits for a lock; it must not come to its end."""

    async def waits() -> bool:
        query = (
            "SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return task.done() or bool(await rows(url, query))

    await eventually(waits)
    assert not task.done(), "it did not wait"


async def test_a_relay_that_deletes_while_another_takes_over_waits_and_archives_nothing(
    stack: Stack, blank: str
) -> None:
    async with connection(blank) as old, connection(blank) as new, producing(stack) as producer:
        async with db.transaction(old) as tx:
            assert await take(tx) == 1
        await outbox.add(old, SENT)
        async with db.transaction(new) as tx:
            assert await take(tx) == 2
            publishing = asyncio.create_task(relay(old, producer, 1).publish())
            await held_up(blank, publishing)
        with pytest.raises(Fenced):
            await publishing
        assert (await archived(blank), await left(blank)) == ([], len(SENT))
        assert await relay(new, producer, 2).publish() == len(SENT)
        assert await archived(blank) == [event.id for event in RECORDS]


async def test_who_takes_over_while_a_relay_deletes_waits_and_numbers_go_on_behind_it(
    stack: Stack, blank: str
) -> None:
    async with connection(blank) as old, connection(blank) as new, producing(stack) as producer:
        async with db.transaction(old) as tx:
            assert await take(tx) == 1
        await outbox.add(old, SENT[:3])
        async with db.transaction(old):
            assert await relay(old, producer, 1).publish() == 3

            async def take_over() -> int:
                async with db.transaction(new) as tx:
                    return await take(tx)

            taking = asyncio.create_task(take_over())
            await held_up(blank, taking)
        assert await taking == 2
        await outbox.add(new, SENT[3:])
        assert await relay(new, producer, 2).publish() == 2
        assert await archived(blank) == [event.id for event in RECORDS]
