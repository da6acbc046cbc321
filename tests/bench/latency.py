"""Measure the latency from ingest's 202 to the transition on the topic, and each process's memory.

Usage: python -m tests.bench.latency BOOTSTRAP DATABASE_URL [SECONDS]
"""

import asyncio
import contextlib
import json
import os
import socket
import statistics
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psutil
import uvloop
from aiokafka import AIOKafkaConsumer

from shared.clock import monotonic, now
from shared.database import migrations
from shared.events.envelope import decode
from shared.kafka.topics import PHASE_TRANSITIONS
from tests.support.fresh_servers import eventually, make_database, renew_topics

RATE = 200
CONNECTIONS = 32
HEAD = (
    "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-of-the-bench\r\n"
    "Content-Length: {}\r\n\r\n"
)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def process(module: str, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A service's process, ended with the block."""
    environment = {
        **os.environ,
        **{f"STAMMKUNDE_{name.upper()}": value for name, value in settings.items()},
    }
    running = await asyncio.create_subprocess_exec(sys.executable, "-m", module, env=environment)
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.terminate()
        await running.wait()


def new_customer_buys(customer: str) -> bytes:
    """The first order of a customer: it makes exactly one transition."""
    data = {"order_id": customer, "total": {"amount": 100, "currency": "EUR"}}
    return json.dumps(
        {
            "specversion": "1.0", "id": customer, "source": "/bench", "type": "order.completed",
            "subject": customer, "time": now().isoformat(), "data": data,
        }
    ).encode()  # fmt: skip


async def listen(bootstrap: str, ready: asyncio.Event, seen: dict[str, float]) -> None:
    """Note when each customer's transition arrives."""
    consumer = AIOKafkaConsumer(
        PHASE_TRANSITIONS, bootstrap_servers=bootstrap, auto_offset_reset="latest"
    )
    await consumer.start()
    try:
        await consumer.seek_to_end()
        ready.set()
        async for record in consumer:
            seen.setdefault(decode(record.value).subject, monotonic())
    finally:
        await consumer.stop()


async def send(port: int, seconds: float) -> dict[str, float]:
    """Send one event per request, `RATE` a second, on plain sockets, which cost little.

    Returns when each was acknowledged.
    """
    acknowledged: dict[str, float] = {}
    started, numbers = monotonic(), iter(range(int(seconds * RATE)))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            await asyncio.sleep(max(0.0, started + number / RATE - monotonic()))
            customer = str(uuid.uuid4())
            body = new_customer_buys(customer)
            writer.write(HEAD.format(len(body)).encode() + body)
            head = await reader.readuntil(b"\r\n\r\n")
            acknowledged[customer] = monotonic()
            if not head.startswith(b"HTTP/1.1 202"):
                raise RuntimeError(head.decode())
            length = next(
                line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
            )
            await reader.readexactly(int(length.split(b":")[1]))
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(connection())
    return acknowledged


async def main(bootstrap: str, admin_url: str, seconds: float) -> None:
    """Print two JSON lines."""
    url = await make_database(admin_url)
    await migrations.upgrade_all(url)
    await renew_topics(bootstrap)
    common = {
        "kafka_bootstrap": bootstrap,
        "database_url": url,
        "api_key": "key-of-the-bench",
        "log_level": "warning",
    }
    port, seen, ready = free_port(), dict[str, float](), asyncio.Event()
    async with (
        process("services.ingest.app", **common, port=str(port)) as ingest,
        process("services.lifecycle.worker", **common, port=str(free_port())) as worker,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        asyncio.TaskGroup() as group,
    ):
        listener = group.create_task(listen(bootstrap, ready, seen))
        await ready.wait()
        await eventually(lambda: _answers(client), within_s=30)
        warm = await send(port, 2)
        await eventually(lambda: warm.keys() <= seen.keys(), within_s=30)
        sent = await send(port, seconds)
        await eventually(lambda: sent.keys() <= seen.keys(), within_s=30)
        memory = {
            name: _rss(p.pid) for name, p in (("ingest", ingest), ("lifecycle_worker", worker))
        }
        listener.cancel()
    waits = sorted((seen[customer] - at) * 1000 for customer, at in sent.items())
    p50, p99 = statistics.median(waits), waits[int(len(waits) * 0.99) - 1]
    figures = {
        "events_per_s": RATE,
        "events": len(waits),
        "latency_p50_ms": round(p50, 1),
        "latency_p99_ms": round(p99, 1),
    }
    print(json.dumps(figures))
    print(json.dumps({"rss_mib": {**memory, **_servers()}}))


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


def _rss(pid: int) -> int:
    """Resident memory of a process and its children, in MiB."""
    parent = psutil.Process(pid)
    return int(sum(p.memory_info().rss for p in [parent, *parent.children(recursive=True)]) / 2**20)


def _servers() -> dict[str, int]:
    """The memory of Kafka and PostgreSQL if they are children of the bench.

    Pages that processes share count each time.
    """
    found: dict[str, int] = {}
    for child in psutil.Process(os.getppid()).children():
        if child.name() in {"java", "postgres"}:
            found[child.name()] = _rss(child.pid)
    return found


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 15))
