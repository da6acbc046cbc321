"""Point reads at a fixed rate while a worker consumes at half its speed, for `make bench-reads`.

Usage: python -m tests.bench.reads_points BOOTSTRAP AFTER EVENTS PER_S
Publishes orders, PER_S a second (0: at once). The speed of the worker is measured first, on the
same database and with orders of 20,000 of the customers. Latency counts from the instant at which
a request was to be sent, whether a connection was free or not.
"""

import asyncio
import random
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer

from shared.clock import monotonic
from shared.ids import partition_of
from shared.kafka.producer import create_producer
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.bench.latency import free_port, process
from tests.support.builders import encode, order
from tests.support.bulk_lives import ENDS
from tests.support.bulk_shop import name_of
from tests.support.fresh_servers import PARTITIONS, eventually, renew_topics

PER_S: Final = 300
SECONDS: Final = 20.0
CONNECTIONS: Final = 64
MEASURED: Final = 60_000
"""Events by which the worker's rate is measured."""
SHOPPERS: Final = 20_000
SLOT_S: Final = 0.05
MOST_MS: Final = 20.0
"""p99 at the most."""

_DONE: Final = """
SELECT coalesce(sum(next_offset), 0)::bigint AS applied,
    EXISTS (SELECT FROM lifecycle.outbox) AS publishing
FROM lifecycle.checkpoint WHERE topic = $1
"""

Probe: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def point_reads(bootstrap: str, url: str, port: int, customers: int) -> dict[str, Any]:
    """One JSON line; the API listens on `port`."""
    await renew_topics(bootstrap)
    probe = await asyncpg.connect(url)
    await probe.execute("DELETE FROM lifecycle.checkpoint")
    await (await publishing(bootstrap, await _last(probe), MEASURED, 0)).wait()
    settings = {
        "kafka_bootstrap": bootstrap,
        "database_url": url,
        "api_key": "key-of-the-bench",
        "log_level": "warning",
    }
    async with process("services.lifecycle.worker", **settings, clock="log", port=str(free_port())):
        rate = await _rate(probe)
        beside = await publishing(
            bootstrap, await _last(probe), int(rate / 2 * (SECONDS + 6)), int(rate / 2)
        )
        await eventually(lambda: _more(probe, MEASURED), within_s=30)
        await ask(port, customers, 2.0)
        began, before = monotonic(), (await _standing(probe))[0]
        times = sorted(await ask(port, customers, SECONDS))
        applied = ((await _standing(probe))[0] - before) / (monotonic() - began)
        if applied < 0.9 * rate / 2:
            raise RuntimeError(
                f"the worker was to apply {rate / 2:.0f} events/s meanwhile,"
                f" and applied {applied:.0f}"
            )
        await beside.wait()
    await probe.close()
    p50, p95, p99 = (times[int(len(times) * share) - 1] for share in (0.5, 0.95, 0.99))
    line = {
        "point_reads_per_s": PER_S,
        "seconds": SECONDS,
        "calls": len(times),
        "worker_events_per_s": round(rate),
    }
    line |= {
        "worker_applied_per_s": round(applied),
        "p50_ms": round(p50, 1),
        "p95_ms": round(p95, 1),
    }
    return line | {
        "p99_ms": round(p99, 1),
        "worst_ms": round(times[-1], 1),
        **({"slow": True} if p99 >= MOST_MS else {}),
    }


async def _last(probe: Probe) -> str:
    """When the last order was made: none is to come before it, as late ones cost more."""
    last = await probe.fetchval(
        "SELECT max(time) FROM lifecycle.event WHERE type = 'order.completed'"
    )
    return str(max(last, ENDS).isoformat())


async def _standing(probe: Probe) -> tuple[int, bool]:
    row = await probe.fetchrow(_DONE, CUSTOMER_EVENTS)
    assert row is not None
    return row["applied"], row["publishing"]


async def _more(probe: Probe, than: int) -> bool:
    return (await _standing(probe))[0] > than


async def _rate(probe: Probe) -> float:
    """Events per second, from the first batch to the last, all that came of them published."""
    await eventually(lambda: _more(probe, 0), within_s=60, every_s=0.01)
    began, (before, _) = monotonic(), await _standing(probe)

    async def done() -> bool:
        return await _standing(probe) == (MEASURED, False)

    await eventually(done, within_s=120, every_s=0.02)
    return (MEASURED - before) / (monotonic() - began)


# -- requests ---


async def ask(port: int, customers: int, seconds: float) -> list[float]:
    """Milliseconds from when each request was to be sent to the end of its answer."""
    luck, times = random.Random(2), list[float]()
    started, numbers = monotonic() + 0.1, iter(range(int(seconds * PER_S)))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            due = started + number / PER_S
            await asyncio.sleep(max(0.0, due - monotonic()))
            path = f"/v1/customers/{name_of(luck.randrange(customers))}"
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: x\r\n"
                "Authorization: Bearer key-of-the-bench\r\n\r\n".encode()
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(head.decode())
            length = next(
                line for line in head.split(b"\r\n") if line.startswith(b"content-length")
            )
            await reader.readexactly(int(length.split(b":")[1]))
            times.append((monotonic() - due) * 1000)
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(connection())
    return times


# -- events ---


async def publishing(
    bootstrap: str, after: str, events: int, per_s: int
) -> asyncio.subprocess.Process:
    """A process that publishes orders, at a rate, and ends."""
    command = "-m", "tests.bench.reads_points", bootstrap, after, str(events), str(per_s)
    return await asyncio.create_subprocess_exec(sys.executable, *command)


def _orders(after: datetime, events: int) -> Iterator[tuple[int, bytes, bytes]]:
    """(partition, key, record) of orders of a millisecond each."""
    luck = random.Random(after.isoformat())
    for number in range(1, events + 1):
        customer, at = name_of(luck.randrange(SHOPPERS)), after + timedelta(milliseconds=number)
        record = encode(order(customer, at, id=at.isoformat()))
        yield partition_of(customer, PARTITIONS), customer.encode(), record


async def publish(bootstrap: str, after: datetime, events: int, per_s: int) -> None:
    """Make all records, then send them in batches made here, a few times a second."""
    producer = create_producer(bootstrap, client_id="bench")
    await producer.start()
    records, each = list(_orders(after, events)), max(1, int(per_s * SLOT_S) or events)
    slots = [
        list(_batches(producer, records[first : first + each])) for first in range(0, events, each)
    ]
    started, acks = monotonic(), []
    for number, slot in enumerate(slots):
        await asyncio.sleep(max(0.0, started + number * SLOT_S - monotonic()))
        acks += [
            await producer.send_batch(batch, CUSTOMER_EVENTS, partition=partition)
            for partition, batch in slot
        ]
    await asyncio.gather(*acks)
    await producer.stop()


def _batches(
    producer: AIOKafkaProducer, records: Iterable[tuple[int, bytes, bytes]]
) -> Iterator[tuple[int, Any]]:
    batches: dict[int, Any] = {}
    for partition, key, value in records:
        record = {"key": key, "value": value, "timestamp": None}
        batch = batches.setdefault(partition, producer.create_batch())
        if batch.append(**record) is None:
            yield partition, batch
            batches[partition] = producer.create_batch()
            batches[partition].append(**record)
    yield from batches.items()


if __name__ == "__main__":
    uvloop.run(
        publish(
            sys.argv[1], datetime.fromisoformat(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
        )
    )
