"""From the 202 of ingest to the transition on the topic, at 200 events/s, and the memory of each process.

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

from shared import migrations
from shared.clock import monotonic, now
from shared.events.envelope import decode
from shared.topics import PHASE_TRANSITIONS
from tests.support import eventually, make_database, renew_topics

RATE = 200
HEADERS = {"Authorization": "Bearer bench"}
UNLIMITED = httpx.Limits(max_connections=None)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def process(module: str, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A service's process, ended with the block."""
    environment = {**os.environ, **{f"STAMMKUNDE_{name.upper()}": value for name, value in settings.items()}}
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
    consumer = AIOKafkaConsumer(PHASE_TRANSITIONS, bootstrap_servers=bootstrap, auto_offset_reset="latest")
    await consumer.start()
    try:
        await consumer.seek_to_end()
        ready.set()
        async for record in consumer:
            seen.setdefault(decode(record.value).subject, monotonic())
    finally:
        await consumer.stop()


async def send(client: httpx.AsyncClient, seconds: float) -> dict[str, float]:
    """One event per request, `RATE` a second; returns when each was acknowledged."""
    acknowledged: dict[str, float] = {}
    started = monotonic()

    async def one(number: int) -> None:
        await asyncio.sleep(max(0.0, started + number / RATE - monotonic()))
        customer = f"{uuid.uuid4()}"
        response = await client.post("/v1/events", content=new_customer_buys(customer))
        response.raise_for_status()
        acknowledged[customer] = monotonic()

    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * RATE)):
            group.create_task(one(number))
    return acknowledged


async def main(bootstrap: str, admin_url: str, seconds: float) -> None:
    """Print two JSON lines."""
    url = await make_database(admin_url)
    await migrations.upgrade_all(url)
    await renew_topics(bootstrap)
    common = {"kafka_bootstrap": bootstrap, "database_url": url, "api_key": "bench", "log_level": "warning"}
    port, seen, ready = free_port(), dict[str, float](), asyncio.Event()
    async with (
        process("services.ingest.app", **common, port=str(port)) as ingest,
        process("services.lifecycle.worker", **common, port=str(free_port())) as worker,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=HEADERS, limits=httpx.Limits(max_connections=None)
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        listener = group.create_task(listen(bootstrap, ready, seen))
        await ready.wait()
        await eventually(lambda: _answers(client), within_s=30)
        warm = await send(client, 2)
        await eventually(lambda: warm.keys() <= seen.keys(), within_s=30)
        sent = await send(client, seconds)
        await eventually(lambda: sent.keys() <= seen.keys(), within_s=30)
        memory = {name: _rss(p.pid) for name, p in (("ingest", ingest), ("lifecycle_worker", worker))}
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
    """The memory of Kafka and PostgreSQL, where they are the bench's children (shared pages count each time)."""
    found: dict[str, int] = {}
    for child in psutil.Process(os.getppid()).children():
        if child.name() in {"java", "postgres"}:
            found[child.name()] = _rss(child.pid)
    return found


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 15))
