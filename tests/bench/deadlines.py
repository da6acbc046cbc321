"""Timed runs of lifecycle's worker: a late event of a long life, and many deadlines due at once.

Usage: python -m tests.bench.deadlines BOOTSTRAP DATABASE_URL
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer

from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.worker import SUBSCRIPTION
from shared import logs
from shared.clock import ClockMode, monotonic
from shared.database import migrations
from shared.ids import partition_of
from shared.kafka.producer import create_producer
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.consume import consume
from shared.stream.worker import tune_memory
from tests.bench.lifecycle import PARTITIONS, publish, send, settings_for
from tests.support.builders import encode, order, tick
from tests.support.fresh_servers import drop_database, eventually, make_database, renew_topics

LONG_LIFE: Final = 10_000
CUSTOMERS: Final = 100_000
STREAM_PER_S: Final = 1_000
LATE_ROUNDS: Final = 5

Probe: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def worker(bootstrap: str, admin_url: str) -> AsyncIterator[Probe]:
    """Run a worker on empty tables and topics; yields a connection that looks on."""
    url = await make_database(admin_url)
    await migrations.upgrade_all(url)
    await renew_topics(bootstrap, partitions=PARTITIONS)
    settings = settings_for(bootstrap, url, ClockMode.LOG)
    stop, probe = asyncio.Event(), await asyncpg.connect(url)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(
                consume(
                    SUBSCRIPTION,
                    settings,
                    lambda reader: LifecycleHandler(reader, settings, PolicyFile(Policy())),
                    stop,
                )
            )
            try:
                yield probe
            finally:
                stop.set()
                await probe.close()
    finally:
        await drop_database(url)


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer, started before anything is timed."""
    producer = create_producer(bootstrap, client_id="bench")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def applied(probe: Probe, events: int, every_s: float = 0.05) -> None:
    """Wait until so many records have been applied and everything is published."""

    async def done() -> bool:
        found = await probe.fetchval(
            "SELECT coalesce(sum(next_offset), 0) FROM lifecycle.checkpoint"
        )
        return bool(
            found >= events and not await probe.fetchval("SELECT count(*) FROM lifecycle.outbox")
        )

    await eventually(done, within_s=300, every_s=every_s)


def records(events: Iterable[dict[str, Any]]) -> Iterable[tuple[str, bytes]]:
    """(customer, record) of each event."""
    return ((event["subject"], encode(event)) for event in events)


async def late_event(bootstrap: str, admin_url: str) -> dict[str, Any]:
    """The milliseconds from sending a late event of a customer with 10,000 to its commit."""
    async with worker(bootstrap, admin_url) as probe:
        sent = await publish(
            bootstrap, records(order("ada", n / 24, id=f"o{n}") for n in range(LONG_LIFE))
        )
        await applied(probe, sent)
        times = list[float]()
        async with producing(bootstrap) as producer:
            for number in range(LATE_ROUNDS):
                late = order("ada", 10.01 + number, id=f"late{number}")
                began = monotonic()
                place = partition_of("ada", PARTITIONS)
                await producer.send_and_wait(
                    CUSTOMER_EVENTS, encode(late), key=b"ada", partition=place
                )
                sent += 1
                await applied(probe, sent, every_s=0.005)
                times.append((monotonic() - began) * 1000)
    return {"events_of_customer": LONG_LIFE, "late_event_ms": [round(t) for t in times]}


async def deadlines(bootstrap: str, admin_url: str) -> dict[str, Any]:
    """Deadlines per second when one tick makes 100,000 due while events keep coming."""
    async with worker(bootstrap, admin_url) as probe:
        sent = await publish(
            bootstrap, records(order(f"c{n}", 0, id=f"o{n}") for n in range(CUSTOMERS))
        )
        await applied(probe, sent)
        began = monotonic()
        async with producing(bootstrap) as producer:
            for partition in range(PARTITIONS):
                await producer.send(CUSTOMER_EVENTS, encode(tick(91)), partition=partition)
            stream = asyncio.create_task(_stream(producer))
            await eventually(lambda: _all_at_risk(probe), within_s=300)
            seconds = monotonic() - began
            stream.cancel()
            await asyncio.wait([stream])
    return {
        "deadlines": CUSTOMERS,
        "seconds": round(seconds, 2),
        "deadlines_per_s": round(CUSTOMERS / seconds),
    }


async def _stream(producer: AIOKafkaProducer) -> None:
    number = 0
    while True:
        events = [
            order(f"new{number + n}", 91, id=f"n{number + n}") for n in range(STREAM_PER_S // 10)
        ]
        await send(producer, records(events))
        number += len(events)
        await asyncio.sleep(0.1)


async def _all_at_risk(probe: Probe) -> bool:
    found = await probe.fetchval(
        "SELECT count(*) FROM lifecycle.transition WHERE rule = 'silence_begins'"
    )
    return bool(found >= CUSTOMERS)


async def main(bootstrap: str, admin_url: str) -> None:
    """Print two JSON lines."""
    print(json.dumps(await late_event(bootstrap, admin_url)))
    print(json.dumps(await deadlines(bootstrap, admin_url)))


if __name__ == "__main__":
    logs.configure("bench", level="warning")
    tune_memory()
    uvloop.run(main(sys.argv[1], sys.argv[2]))
