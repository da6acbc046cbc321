"""The batch loop on real Kafka and PostgreSQL: what is set aside, what stops it, what it waits for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.lifecycle.apply import Lifecycle
from services.lifecycle.domain.policy import Policy
from services.lifecycle.worker import SUBSCRIPTION
from shared import consumer, db, kafka, ownership
from shared.clock import ClockMode, now
from shared.consumer import consume, leaves
from shared.dead_letters import IN_A_ROW
from shared.errors import Misconfigured
from shared.ids import partition_of
from shared.topics import CONFIG, CUSTOMER_EVENTS, PHASE_TRANSITIONS
from tests.builders import day, encode, order, tick
from tests.pipeline import by_partition, publish, rows, running, settled, worker_settings
from tests.stack import Stack
from tests.support import PARTITIONS, drop_database, eventually, make_database, renew_topics

POLICY: Final = Policy(act_within_days=1000)


@pytest.fixture
async def database(stack: Stack, template: str) -> AsyncIterator[str]:
    """A fresh database for each test, and empty topics."""
    await renew_topics(stack.bootstrap)
    url = await make_database(stack.database_url, template=template)
    yield url
    await drop_database(url)


def worker(stack: Stack, database: str, **settings: Any) -> AbstractAsyncContextManager[None]:
    config = worker_settings(stack, database, **settings)
    return running(SUBSCRIPTION, config, lambda reader: Lifecycle(reader, config, POLICY))


async def refusal(stack: Stack, database: str, **settings: Any) -> str:
    """What a worker says that cannot go on."""
    config = worker_settings(stack, database, **settings)
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(30):
            await consume(SUBSCRIPTION, config, lambda reader: Lifecycle(reader, config, POLICY), asyncio.Event())
    (error,) = leaves(caught.value)
    assert isinstance(error, Misconfigured)
    return str(error)


async def publish_bytes(
    stack: Stack, partition: int, values: Iterable[bytes], *, times: Iterable[datetime] | None = None
) -> None:
    producer = kafka.producer(stack.bootstrap, client_id="tests")
    await producer.start()
    try:
        stamps = None if times is None else iter(times)
        for value in values:
            stamp = None if stamps is None else int(next(stamps).timestamp() * 1000)
            await producer.send(CUSTOMER_EVENTS, value, partition=partition, timestamp_ms=stamp)
        await producer.flush()
    finally:
        await producer.stop()


@asynccontextmanager
async def administration(stack: Stack) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


def on(partition: int, name: str) -> str:
    """A customer of a partition."""
    return next(c for c in (f"{name}-{n}" for n in range(1000)) if partition_of(c, PARTITIONS) == partition)


async def orders_of(database: str, customer: str) -> int | None:
    found = await rows(
        database,
        "SELECT (convert_from(state, 'UTF8')::jsonb ->> 'orders')::int AS n FROM lifecycle.customer WHERE customer = $1",
        customer,
    )
    return found[0]["n"] if found else None


async def history(database: str, customer: str) -> list[tuple[Any, ...]]:
    """Rule, instant, whether withdrawn, whether historical of every transition ever recorded."""
    found = await rows(
        database,
        "SELECT rule, occurred_at, withdrawn IS NOT NULL AS void,"
        " (convert_from(body, 'UTF8')::jsonb ->> 'historical')::boolean AS historical"
        " FROM lifecycle.transition WHERE customer = $1 ORDER BY version, position",
        customer,
    )
    return [tuple(row) for row in found]


async def clock_of(database: str, partition: int) -> datetime:
    (row,) = await rows(database, "SELECT clock FROM lifecycle.owner WHERE partition = $1", partition)
    found: datetime = row["clock"]
    return found


# -- dead letters and the brake ---------------------------------------------------------------------------------------


async def test_records_that_nobody_can_read_are_set_aside_with_place_and_reason(stack: Stack, database: str) -> None:
    ada, stranger = on(3, "ada"), on(4, "stranger")
    values = [encode(order(ada, 0)), b"{", encode(order(stranger, 0)), encode({**order(ada, 1), "type": "no.such"})]
    await publish_bytes(stack, 3, [*values, encode({**order(ada, 2), "data": {}}), encode(order(ada, 3))])
    async with worker(stack, database):
        await settled(stack, database, "lifecycle")
    letters = await rows(database, 'SELECT "offset", reason, value FROM lifecycle.dead_letter ORDER BY 1')
    assert [tuple(row)[:2] for row in letters] == [
        (1, "undecodable"), (2, "wrong_partition"), (3, "unknown_type"), (4, "invalid_data"),
    ]  # fmt: skip
    assert letters[0]["value"] == b"{"
    assert await orders_of(database, ada) == 2


async def test_a_partition_full_of_them_is_paused_until_released_while_others_go_on(
    stack: Stack, database: str
) -> None:
    behind, elsewhere = on(3, "behind"), on(4, "elsewhere")
    await publish_bytes(stack, 3, [*[b"{"] * (IN_A_ROW + 30), encode(order(behind, 0))])

    async def braked() -> Any:
        found = await rows(database, "SELECT braked FROM lifecycle.checkpoint WHERE braked IS NOT NULL")
        return [row["braked"] for row in found]

    async def release() -> None:
        connection = await db.connect(database, "lifecycle")
        async with db.transaction(connection) as tx:
            assert await ownership.resume(tx, CUSTOMER_EVENTS, 3)
        await connection.close()

    async with worker(stack, database):
        assert await eventually(braked) == [f"{IN_A_ROW} dead letters in a row"]
        await publish(stack.bootstrap, [order(elsewhere, 0)])
        await eventually(lambda: orders_of(database, elsewhere))
    async with worker(stack, database):
        await publish(stack.bootstrap, [order(elsewhere, 1)])
        await eventually(lambda: has(database, elsewhere, orders=2))
        assert await orders_of(database, behind) is None
        assert await braked()
        await release()
        await eventually(lambda: orders_of(database, behind))
        assert not await braked()
    (row,) = await rows(database, "SELECT count(*) AS n FROM lifecycle.dead_letter")
    assert row["n"] == IN_A_ROW + 30


async def has(database: str, customer: str, *, orders: int) -> bool:
    return await orders_of(database, customer) == orders


# -- what stops a worker ----------------------------------------------------------------------------------------------


async def test_data_of_one_clock_mode_is_refused_in_the_other(stack: Stack, database: str) -> None:
    async with worker(stack, database):
        await settled(stack, database, "lifecycle")
    reason = await refusal(stack, database, clock=ClockMode.WALL)
    assert reason.startswith("this data lives in log time and the worker was started in wall time")
    assert {row["epoch"] for row in await rows(database, "SELECT epoch FROM lifecycle.owner")} == {1}


async def test_a_checkpoint_behind_the_end_of_the_log_stops_the_worker_with_what_to_do(
    stack: Stack, database: str
) -> None:
    async with worker(stack, database):
        await settled(stack, database, "lifecycle")
    await rows(database, "UPDATE lifecycle.checkpoint SET next_offset = 7 WHERE partition = 2")
    reason = await refusal(stack, database)
    assert "checkpoint 7 of " in reason
    assert "stammkunde checkpoints reset" in reason


async def test_a_checkpoint_before_the_beginning_of_the_log_stops_the_worker_too(stack: Stack, database: str) -> None:
    async with worker(stack, database):
        await settled(stack, database, "lifecycle")
    await publish_bytes(stack, 2, [encode(order(on(2, "ada"), n)) for n in range(3)])
    async with administration(stack) as admin:
        await admin.delete_records({TopicPartition(CUSTOMER_EVENTS, 2): RecordsToDelete(before_offset=2)})
    reason = await refusal(stack, database)
    assert "checkpoint 0 of customer-events.v1 2 lies outside the log (2 … 3)" in reason
    assert "stammkunde checkpoints reset" in reason


# -- time ---------------------------------------------------------------------------------------------------------------


async def test_in_wall_time_the_clock_follows_the_real_one_once_everything_is_read(stack: Stack, database: str) -> None:
    ada = on(3, "ada")
    async with worker(stack, database, clock=ClockMode.WALL):
        await publish(stack.bootstrap, [order(ada, now())])
        await eventually(lambda: orders_of(database, ada))

        async def close() -> bool:
            return all([now() - await clock_of(database, p) < timedelta(seconds=3) for p in range(PARTITIONS)])

        await eventually(close)
    assert await clock_of(database, 3) <= now()


async def test_in_wall_time_a_backlog_makes_nobody_fall_silent(
    stack: Stack, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker was down for 200 days: what was sent then lies in the log with the time of then."""
    faithful, gone = on(3, "faithful"), on(3, "gone")
    monkeypatch.setattr(consumer, "SURVEY_S", 0.01)
    began = now() - timedelta(days=200)
    times = [began + timedelta(days=n) for n in range(200)]
    sent = [order(gone, began), *(order(faithful, at) for at in times[::10])]
    sent += [order(on(3, f"filler{n}"), at) for n, at in enumerate(times)]
    sent.sort(key=lambda event: event["time"])
    await keep_times_of_senders(stack)
    await publish_bytes(stack, 3, map(encode, sent), times=[datetime.fromisoformat(event["time"]) for event in sent])
    clocks = set()
    async with worker(stack, database, clock=ClockMode.WALL, batch_records=1):

        async def caught_up() -> bool:
            clocks.update(
                [row["clock"] for row in await rows(database, "SELECT clock FROM lifecycle.owner WHERE partition = 3")]
            )
            return any(now() - clock < timedelta(minutes=1) for clock in clocks)

        await eventually(caught_up, every_s=0.005, within_s=40)
    assert len(clocks) > 3, "the clock was seen to move through the backlog"
    assert [rule for rule, *_ in await history(database, faithful)] == ["first_purchase", "habit_formed"]
    assert [rule for rule, *_ in await history(database, gone)] == ["first_purchase", "silence_begins", "fell_silent"]


async def keep_times_of_senders(stack: Stack) -> None:
    """Only so can a test write a log that is older than itself; the topics are made anew afterwards."""
    config = {**CONFIG, "message.timestamp.type": "CreateTime"}
    async with administration(stack) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, CUSTOMER_EVENTS, configs=config)])


def control(kind: str, at: float) -> dict[str, Any]:
    return {**tick(at), "id": f"{kind}-{at}", "type": kind}


async def test_an_import_holds_old_deadlines_back_and_marks_them_when_they_fire(stack: Stack, database: str) -> None:
    known, regular, lapsed = "known", "regular", "lapsed"
    await publish(stack.bootstrap, [order(known, -70), tick(10), control("import.started", 10)])
    await publish(stack.bootstrap, [order(lapsed, -100), order(regular, -100), tick(30)])
    async with worker(stack, database):
        await settled(stack, database, "lifecycle")
        assert [rule for rule, *_ in await history(database, lapsed)] == ["first_purchase"]
        assert [rule for rule, *_ in await history(database, known)] == ["first_purchase", "silence_begins"]
        await publish(stack.bootstrap, [order(regular, -40), control("import.finished", 30), tick(60)])
        await settled(stack, database, "lifecycle")
    assert await history(database, regular) == [
        ("first_purchase", day(-100), False, False),
        ("silence_begins", day(50), False, False),
    ]
    assert ("silence_begins", day(-10), False, True) in await history(database, lapsed)
    assert ("silence_begins", day(20), False, False) in await history(database, known)


@pytest.mark.parametrize("timers_per_batch", [2000, 5])
async def test_a_forwarded_tick_comes_behind_everything_that_happened_until_then(
    stack: Stack, database: str, timers_per_batch: int
) -> None:
    crowd = [f"crowd-{n}" for n in range(80)]
    await publish(stack.bootstrap, [*(order(c, n / 100) for n, c in enumerate(crowd)), tick(30)])
    await publish(stack.bootstrap, [*(order(c, 31) for c in crowd[::3]), tick(90.5), tick(121.5), tick(300)])
    async with worker(stack, database, timers_per_batch=timers_per_batch):
        await settled(stack, database, "lifecycle")
    for events in (await by_partition(stack.bootstrap, PHASE_TRANSITIONS)).values():
        ticks = [event.time for event in events if not event.subject]
        assert ticks == [day(30), day(90.5), day(121.5), day(300)]
        reached = datetime.min.replace(tzinfo=UTC)
        for event in events:
            assert event.time > reached
            reached = reached if event.subject else event.time
