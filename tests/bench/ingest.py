"""Measure the events per second that ingest accepts, in requests of 1, 100 and 1,000 events.

Usage: python -m tests.bench.ingest BOOTSTRAP
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import psutil
import uvloop

from shared.clock import monotonic
from tests.support.fresh_servers import eventually, renew_topics

KEY: Final = "key-of-the-bench"
ROUNDS: Final = ((1, 32, 10_000), (100, 4, 100_000), (1000, 4, 100_000))
"""Events per request, connections, events in all."""


def requests(size: int, total: int) -> list[bytes]:
    """Whole HTTP requests, ready to be sent: the client should cost as little as it can."""
    found = []
    for begin in range(0, total, size):
        body = json.dumps([_event(n) for n in range(begin, begin + size)]).encode()
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


def _event(n: int) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": f"{n:032x}",
        "source": "/shop",
        "type": "order.completed",
        "subject": f"customer-{n % 20_000}",
        "time": "2024-05-01T12:00:00Z",
        "data": {"order_id": f"o{n}", "total": {"amount": 1999, "currency": "EUR"}, "items": 2},
    }


async def _sender(port: int, waiting: list[bytes], seconds: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while waiting:
        request, started = waiting.pop(), monotonic()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        await reader.readexactly(int(length.split(b":")[1]))
        seconds.append(monotonic() - started)
        if b" 202 " not in head[:16]:
            raise RuntimeError(head.decode())
    writer.close()


async def measure(port: int, size: int, connections: int, total: int) -> dict[str, float]:
    """One round; milliseconds are those of whole requests."""
    waiting, seconds = requests(size, total), list[float]()
    started = monotonic()
    await asyncio.gather(*(_sender(port, waiting, seconds) for _ in range(connections)))
    rate = total / (monotonic() - started)
    seconds.sort()
    p50, p99 = (seconds[int(len(seconds) * share)] * 1000 for share in (0.5, 0.99))
    return {
        f"ingest_events_per_s_{size}": round(rate),
        "p50_ms": round(p50, 1),
        "p99_ms": round(p99, 1),
    }


@asynccontextmanager
async def ingest(bootstrap: str) -> AsyncIterator[tuple[int, psutil.Process]]:
    """The service as a process of its own, and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = {
        "KAFKA_BOOTSTRAP": bootstrap,
        "API_KEY": KEY,
        "PORT": str(port),
        "LOG_LEVEL": "warning",
    }
    environment = os.environ | {f"STAMMKUNDE_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "services.ingest.app"]
    process = subprocess.Popen(command, env=environment)  # noqa: ASYNC220
    try:
        await eventually(lambda: _listens(port), what="ingest listens")
        yield port, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def main(bootstrap: str) -> None:
    """Print one JSON line per round, after a round to warm up, and the memory of the process."""
    await renew_topics(bootstrap)
    async with ingest(bootstrap) as (port, process):
        await measure(port, 100, 4, 20_000)
        for size, connections, total in ROUNDS:
            print(json.dumps(await measure(port, size, connections, total)), flush=True)
        print(json.dumps({"ingest_rss_mib": round(process.memory_info().rss / 2**20)}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
