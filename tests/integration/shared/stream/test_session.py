"""The batch loop on real Kafka and PostgreSQL: what it sets aside, what stops or delays it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from structlog.testing import capture_logs

from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.worker import SUBSCRIPTION
from shared.clock import ClockMode, now
from shared.database import connection as db
from shared.errors import Misconfigured, leaves
from shared.kafka import topics
from shared.kafka.producer import create_producer
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS
from shared.stream import survey
from shared.stream.consume import consume
from shared.stream.log.checkpoints import resume_partition
from shared.stream.log.dead_letters import IN_A_ROW
from tests.support.builders import control, day, encode, order, tick
from tests.support.feedback_events import complains
from tests.support.fresh_servers import PARTITIONS, drop_topics, eventually
from tests.support.lifecycle_worker import POLICY, history, on, orders_of, worker
from tests.support.pipeline import by_partition, publish, rows, settled, worker_settings
from tests.support.server_stack import Stack


async def refusal(stack: Stack, database: str, **settings: Any) -> str:
    """What a worker says that cannot go on."""
    config = worker_settings(stack, database, **settings)
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(30):
            await consume(
                SUBSCRIPTION,
                config,
                lambda reader: LifecycleHandler(reader, config, PolicyFile(POLICY)),
                asyncio.Event(),
            )
    (error,) = leaves(caught.value)
    assert isinstance(error, Misconfigured)
    return str(error)


async def publish_bytes(
    stack: Stack,
    partition: int,
    values: Iterable[bytes],
    *,
    times: Iterable[datetime] | None = None,
) -> None:
    producer = create_producer(stack.bootstrap, client_id="tests")
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


async def clock_of(database: str, partition: int) -> datetime:
    (row,) = await rows(
        database, "SELECT clock FROM lifecycle.owner WHERE partition = $1", partition
    )
    found: datetime = row["clock"]
    return found


# -- dead letters, too many of them ----------------------------------------------------------------


async def test_records_that_nobody_can_read_are_set_aside_with_place_and_reason(
    stack: Stack, blank: str
) -> None:
    ada = on(3, "ada")
    stranger = on(4, "stranger")
    values = [
        encode(order(ada, 0)),
        b"{",
        encode(order(stranger, 0)),
        encode({**order(ada, 1), "type": "no.such"}),
    ]
    latin = encode(order(ada, 4, coupon="é")).replace("é".encode(), "é".encode("latin-1"))
    await publish_bytes(
        stack, 3, [*values, encode({**order(ada, 2), "data": {}}), encode(order(ada, 3)), latin]
    )
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
    letters = await rows(
        blank, 'SELECT "offset", reason, value FROM lifecycle.dead_letter ORDER BY 1'
    )
    assert [tuple(row)[:2] for row in letters] == [
        (1, "undecodable"), (2, "wrong_partition"), (3, "unknown_type"), (4, "invalid_data"),
        (6, "undecodable"),
    ]  # fmt: skip
    assert letters[0]["value"] == b"{"
    assert await orders_of(blank, ada) == 2


async def test_a_partition_full_of_them_stops_until_resumed_while_others_go_on(
    stack: Stack, blank: str
) -> None:
    behind = on(3, "behind")
    elsewhere = on(4, "elsewhere")
    await publish_bytes(stack, 3, [*[b"{"] * (IN_A_ROW + 30), encode(order(behind, 0))])

    async def reasons() -> Any:
        found = await rows(
            blank, "SELECT stopped FROM lifecycle.checkpoint WHERE stopped IS NOT NULL"
        )
        return [row["stopped"] for row in found]

    async def resume() -> None:
        connection = await db.connect(blank, "lifecycle")
        async with db.transaction(connection) as tx:
            assert await resume_partition(tx, CUSTOMER_EVENTS, 3)
        await connection.close()

    with capture_logs() as logs:
        async with worker(stack, blank):
            assert await eventually(reasons) == [f"{IN_A_ROW} dead letters in a row"]
            await publish(stack.bootstrap, [order(elsewhere, 0)])
            await eventually(lambda: orders_of(blank, elsewhere))
    told = [log for log in logs if log["event"] in {"dead_letters.added", "partition.stopped"}]
    assert sum(log.get("undecodable", 0) for log in told) == IN_A_ROW
    assert told[-1] == {
        "event": "partition.stopped", "log_level": "error", "topic": CUSTOMER_EVENTS,
        "partition": 3, "reason": f"{IN_A_ROW} dead letters in a row",
    }  # fmt: skip
    async with worker(stack, blank):
        await publish(stack.bootstrap, [order(elsewhere, 1)])
        await eventually(lambda: has(blank, elsewhere, orders=2))
        assert await orders_of(blank, behind) is None
        assert await reasons()
        await resume()
        await eventually(lambda: orders_of(blank, behind))
        assert not await reasons()
        await publish_bytes(stack, 3, [*[b"{"] * (IN_A_ROW + 30), encode(order(behind, 1))])
        await eventually(reasons)
        await resume()
        await eventually(
            lambda: has(blank, behind, orders=2), what="the count begins anew when it is resumed"
        )
    (row,) = await rows(blank, "SELECT count(*) AS n FROM lifecycle.dead_letter")
    assert row["n"] == 2 * (IN_A_ROW + 30)


async def has(database: str, customer: str, *, orders: int) -> bool:
    return await orders_of(database, customer) == orders


# -- what stops a worker -----------------------------------------------------------------------


async def test_data_of_one_clock_mode_is_refused_in_the_other(stack: Stack, blank: str) -> None:
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
    reason = await refusal(stack, blank, clock=ClockMode.WALL)
    assert reason.startswith("this data lives in log time and the worker was started in wall time")
    assert {row["epoch"] for row in await rows(blank, "SELECT epoch FROM lifecycle.owner")} == {1}


# -- time --------------------------------------------------------------------------------------


async def test_in_wall_time_the_clock_follows_the_real_one_once_everything_is_read(
    stack: Stack, blank: str
) -> None:
    ada = on(3, "ada")
    async with worker(stack, blank, clock=ClockMode.WALL):
        await publish(stack.bootstrap, [order(ada, now())])
        await eventually(lambda: orders_of(blank, ada))

        async def close() -> bool:
            return all(
                [now() - await clock_of(blank, p) < timedelta(seconds=3) for p in range(PARTITIONS)]
            )

        await eventually(close)
    assert await clock_of(blank, 3) <= now()


async def test_in_wall_time_a_backlog_makes_nobody_fall_silent(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker was down for 200 days; the log has what was sent then, with the times of then."""
    faithful = on(3, "faithful")
    gone = on(3, "gone")
    monkeypatch.setattr(survey, "SURVEY_S", 0.01)
    began = now() - timedelta(days=200)
    times = [began + timedelta(days=n) for n in range(200)]
    sent = [order(gone, began), *(order(faithful, at) for at in times[::10])]
    sent += [order(on(3, f"filler{n}"), at) for n, at in enumerate(times)]
    sent.sort(key=lambda event: event["time"])
    monkeypatch.setattr(topics, "CONFIG", {**topics.CONFIG, "message.timestamp.type": "CreateTime"})
    await drop_topics(stack.bootstrap, topics.TOPICS)
    await topics.create_missing(stack.bootstrap, partitions=PARTITIONS)
    await publish_bytes(
        stack, 3, map(encode, sent), times=[datetime.fromisoformat(event["time"]) for event in sent]
    )
    clocks = set()
    async with worker(stack, blank, clock=ClockMode.WALL, batch_records=1):

        async def caught_up() -> bool:
            clocks.update(
                [
                    row["clock"]
                    for row in await rows(
                        blank, "SELECT clock FROM lifecycle.owner WHERE partition = 3"
                    )
                ]
            )
            return any(now() - clock < timedelta(minutes=1) for clock in clocks)

        await eventually(caught_up, every_s=0.005, within_s=40)
    assert len(clocks) > 3, "the clock was seen to move through the backlog"
    assert [rule for rule, *_ in await history(blank, faithful)] == [
        "first_purchase",
        "habit_formed",
    ]
    assert [rule for rule, *_ in await history(blank, gone)] == [
        "first_purchase",
        "silence_begins",
        "fell_silent",
    ]


async def test_an_import_holds_old_deadlines_back_and_marks_them_when_they_fire(
    stack: Stack, blank: str
) -> None:
    known = "known"
    regular = "regular"
    lapsed = "lapsed"
    await publish(stack.bootstrap, [order(known, -70), tick(10), control("import.started", 10)])
    await publish(stack.bootstrap, [order(lapsed, -100), order(regular, -100), tick(30)])
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
        assert [rule for rule, *_ in await history(blank, lapsed)] == ["first_purchase"]
        assert [rule for rule, *_ in await history(blank, known)] == [
            "first_purchase",
            "silence_begins",
        ]
        await publish(stack.bootstrap, [order(regular, -40), tick(45), tick(60)])
        await settled(stack, blank, "lifecycle")
        assert [rule for rule, *_ in await history(blank, lapsed)] == ["first_purchase"]
        assert [rule for rule, *_ in await history(blank, regular)] == [
            "first_purchase",
            "silence_begins",
        ]
        await publish(stack.bootstrap, [control("import.finished", 60), tick(61)])
        await settled(stack, blank, "lifecycle")
    assert await history(blank, regular) == [
        ("first_purchase", day(-100), False, False),
        ("silence_begins", day(50), False, False),
    ]
    assert ("silence_begins", day(-10), False, True) in await history(blank, lapsed)
    assert ("silence_begins", day(20), False, False) in await history(blank, known)


async def test_transitions_are_history_if_their_event_says_so_or_if_it_is_too_late_to_act(
    stack: Stack, blank: str
) -> None:
    """Lifecycle acts within 1,000 days here."""
    flagged = {**order("flagged", 1), "historical": True}
    await publish(stack.bootstrap, [tick(10), flagged, order("old", -991), order("recent", -989)])
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
    first = {
        customer: (await history(blank, customer))[0] for customer in ("flagged", "old", "recent")
    }
    assert {customer: historical for customer, (*_, historical) in first.items()} == {
        "flagged": True,
        "old": True,
        "recent": False,
    }


@pytest.mark.parametrize("timers_per_batch", [2000, 5])
async def test_a_forwarded_tick_comes_behind_everything_that_happened_until_then(
    stack: Stack, blank: str, timers_per_batch: int
) -> None:
    crowd = [f"crowd-{n}" for n in range(80)]
    await publish(stack.bootstrap, [*(order(c, n / 100) for n, c in enumerate(crowd)), tick(30)])
    await publish(
        stack.bootstrap, [*(order(c, 31) for c in crowd[::3]), tick(90.5), tick(121.5), tick(300)]
    )
    async with worker(stack, blank, timers_per_batch=timers_per_batch):
        await settled(stack, blank, "lifecycle")
    for events in (await by_partition(stack.bootstrap, PHASE_TRANSITIONS)).values():
        ticks = [event.time for event in events if not event.subject]
        assert ticks == [day(30), day(90.5), day(121.5), day(300)]
        reached = datetime.min.replace(tzinfo=UTC)
        for event in events:
            assert event.time > reached
            reached = reached if event.subject else event.time


async def test_what_an_import_makes_due_waits_for_its_end_though_a_later_timer_goes_off(
    stack: Stack, blank: str
) -> None:
    async with worker(stack, blank):
        await publish(stack.bootstrap, [order("ada", 150), tick(200)])
        await settled(stack, blank, "lifecycle")
    await publish(
        stack.bootstrap, [control("import.started", 200), *complains(170, severity=1), tick(250)]
    )
    async with worker(stack, blank):
        await settled(stack, blank, "lifecycle")
        assert [rule for rule, *_ in await history(blank, "ada")] == ["first_purchase"]
        await publish(stack.bootstrap, [control("import.finished", 250), tick(251)])
        await settled(stack, blank, "lifecycle")
    assert (await history(blank, "ada"))[1:] == [("dissatisfied", day(171), False, True)]
