"""One timed run of lifecycle's worker from empty tables, relay included.

Usage: python -m tests.bench.lifecycle BOOTSTRAP DATABASE_URL EVENTS CUSTOMERS [INPUT]
INPUT is one of
    orders     the input of the reference loop (the default),
    updated    as many events: half as many orders, each with one update,
    cadence    the same, with silence judged by the cadence model,
    late       the same, with one event in twenty far behind its place,
    simulated  a simulated shop of so many customers in 24 months (EVENTS is ignored).
"""

import asyncio
import heapq
import json
import random
import resource
import sys
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.cadence import repository as rhythms
from services.lifecycle.cadence.repository import FitAttempt, FitEstimate
from services.lifecycle.domain.policy.policy import CADENCE, Policy
from services.lifecycle.schedule import next_number
from services.lifecycle.settings import LifecycleSettings
from services.lifecycle.worker import SUBSCRIPTION
from shared import logs
from shared.clock import CLOCK_START, ClockMode, monotonic
from shared.database import connection as db
from shared.database import migrations
from shared.ids import partition_of
from shared.kafka.producer import create_producer
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.simulator.shop import Shop, lines, lives
from shared.stream.consume import consume
from shared.stream.handler import Reader
from shared.stream.worker import tune_memory
from tests.support.fresh_servers import drop_database, eventually, make_database, renew_topics

PARTITIONS = 8
LATE_SHARE = 0.05
UPDATED_WITHIN: Final = 12 * 3_600
BEGINS: Final = datetime(2026, 1, 1, tzinfo=UTC)


def generate(events: int, customers: int) -> Iterator[tuple[str, bytes]]:
    """The reference loop's events: (customer, record)."""
    rnd = random.Random(7)
    for i in range(events):
        customer = f"c{rnd.randrange(customers)}"
        body = {
            "specversion": "1.0",
            "id": str(uuid.UUID(int=rnd.getrandbits(128))),
            "source": "/shop",
            "type": "order.completed",
            "subject": customer,
            "time": _second(i),
            "data": {
                "order_id": f"o{i}",
                "total": {"amount": rnd.randrange(9999), "currency": "EUR"},
                "items": 2,
            },
        }
        yield customer, json.dumps(body).encode()


def updated(events: int, customers: int) -> Iterator[tuple[str, bytes]]:
    """Half as many orders, each followed by one update up to 12 hours later.

    At one event a second most updates come in another batch (16,000 records) than their order.
    """
    rnd, waiting = random.Random(13), list[tuple[int, int, tuple[str, bytes]]]()
    for number, (customer, order) in enumerate(generate(events // 2, customers)):
        made = json.loads(order)
        at = 2 * number
        while waiting and waiting[0][0] <= at:
            yield heapq.heappop(waiting)[2]
        yield customer, json.dumps({**made, "time": _second(at)}).encode()
        due = at + rnd.randrange(1, UPDATED_WITHIN)
        heapq.heappush(waiting, (due, number, (customer, _update(made, due, rnd))))
    yield from (update for _, _, update in sorted(waiting))


def _update(order: dict[str, Any], at: int, rnd: random.Random) -> bytes:
    data = {
        "order_id": order["data"]["order_id"],
        "total": {"amount": rnd.randrange(9999), "currency": "EUR"},
        "items": 3,
    }
    told = {"id": f"{order['id']}-u", "type": "order.updated", "time": _second(at), "data": data}
    return json.dumps({**order, **told}).encode()


def _second(number: int) -> str:
    return (BEGINS + timedelta(seconds=number)).isoformat()


def late(events: int, customers: int) -> Iterator[tuple[str, bytes]]:
    """The same with 5 % of the events up to 50,000 places late."""
    rnd, waiting = random.Random(11), list[tuple[int, int, tuple[str, bytes]]]()
    for number, event in enumerate(generate(events, customers)):
        while waiting and waiting[0][0] <= number:
            yield heapq.heappop(waiting)[2]
        if rnd.random() < LATE_SHARE:
            heapq.heappush(waiting, (number + rnd.randrange(1, 50_000), number, event))
        else:
            yield event
    yield from (event for _, _, event in sorted(waiting))


def simulated(_: int, customers: int) -> Iterator[tuple[str, bytes]]:
    """All that happens in a simulated shop, in order of time."""
    shop = Shop(customers=customers, months=24, seed=7)
    for line in sorted(line for life in lives(shop) for line in lines(shop, life)):
        yield json.loads(line.json)["subject"], line.json.encode()


INPUTS: Final = {
    "orders": generate,
    "updated": updated,
    "cadence": generate,
    "late": late,
    "simulated": simulated,
}


async def publish(bootstrap: str, events: Iterable[tuple[str, bytes]]) -> int:
    """Put all events on the topic before anything is timed; returns how many."""
    producer = create_producer(bootstrap, client_id="bench")
    await producer.start()
    try:
        return await send(producer, events)
    finally:
        await producer.stop()


async def send(producer: AIOKafkaProducer, events: Iterable[tuple[str, bytes]]) -> int:
    """Put events on the topic; returns how many, once they are acknowledged."""
    acks = [
        await producer.send(
            CUSTOMER_EVENTS,
            body,
            key=customer.encode(),
            partition=partition_of(customer, PARTITIONS),
        )
        for customer, body in events
    ]
    await asyncio.gather(*acks)
    return len(acks)


def settings_for(bootstrap: str, url: str, clock: ClockMode) -> LifecycleSettings:
    """The worker's settings."""
    return LifecycleSettings(
        kafka_bootstrap=bootstrap,
        database_url=url,
        api_key=SecretStr("key-of-the-bench"),
        clock=clock,
        partitions=PARTITIONS,
    )


async def add_fit(url: str) -> None:
    """An accepted fit, in force for every purchase: that of CDNOW's whole cohort in 39 weeks."""
    connection = await db.connect(url, "lifecycle")
    async with db.transaction(connection) as tx:
        number = await next_number(tx)
        estimate = FitEstimate(
            number, CLOCK_START, r=0.637, alpha=7.310, a=0.807, b=1.228, log_likelihood=0.0
        )
        await rhythms.store(
            tx, FitAttempt(number, CLOCK_START, CLOCK_START, None, 23_570, 9_000, estimate)
        )
    await connection.close()


def cpu_seconds() -> float:
    """Return the processor time of this process, which others on the machine hardly change."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


class Timed(LifecycleHandler):
    """Timed as the reference loop is: from when the consumer has its partitions."""

    def forget(self) -> None:
        """The partitions are about to be claimed."""
        super().forget()
        self.assigned_at = monotonic()
        self.cpu_at_assignment = cpu_seconds()


async def main(
    bootstrap: str, admin_url: str, size: int, customers: int, kind: str = "orders"
) -> None:
    """Print one JSON line. The database is dropped: to vacuum it would slow the next run."""
    url = await make_database(admin_url)
    try:
        print(json.dumps(await timed(bootstrap, url, size, customers, kind)))
    finally:
        await drop_database(url)


async def timed(bootstrap: str, url: str, size: int, customers: int, kind: str) -> dict[str, Any]:
    """How fast the worker takes in the events of an input, in an empty database."""
    await migrations.upgrade_all(url)
    if kind == "cadence":
        await add_fit(url)
    policy = Policy(silence=CADENCE) if kind == "cadence" else Policy()
    await renew_topics(bootstrap, partitions=PARTITIONS)
    events = await publish(bootstrap, INPUTS[kind](size, customers))
    settings = settings_for(bootstrap, url, ClockMode.LOG)
    stop, probe = asyncio.Event(), await asyncpg.connect(url)
    workers = list[Timed]()

    def new_worker(reader: Reader) -> LifecycleHandler:
        workers.append(Timed(reader, settings, PolicyFile(policy)))
        return workers[-1]

    async with asyncio.TaskGroup() as group:
        group.create_task(consume(SUBSCRIPTION, settings, new_worker, stop))
        await eventually(lambda: _done(probe, events), within_s=600, every_s=0.02)
        (worker,) = workers
        seconds = monotonic() - worker.assigned_at
        cpu = cpu_seconds() - worker.cpu_at_assignment
        stop.set()
    transitions = await probe.fetchval("SELECT count(*) FROM lifecycle.transition")
    await probe.close()
    figures = {
        "input": kind,
        "events": events,
        "customers": customers,
        "seconds": round(seconds, 2),
        "events_per_s": round(events / seconds),
        "cpu_us_per_event": round(cpu / events * 1e6, 1),
    }
    return {**figures, "transitions": transitions}


async def _done(probe: "asyncpg.Connection[asyncpg.Record]", events: int) -> bool:
    applied = await probe.fetchval("SELECT coalesce(sum(next_offset), 0) FROM lifecycle.checkpoint")
    return bool(
        applied >= events and not await probe.fetchval("SELECT count(*) FROM lifecycle.outbox")
    )


if __name__ == "__main__":
    logs.configure("bench", level="warning")
    tune_memory()
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:]))
