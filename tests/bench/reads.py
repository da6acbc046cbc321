"""`make bench-reads`: how fast the API answers over a million customers, five million transitions.

Usage: python -m tests.bench.reads [--customers N] [--loaded DATABASE_URL]
Prints JSON lines: p50 and p95 of every kind of read, one call after the other while nothing else
runs; then of point reads at a fixed rate while a worker consumes at half its speed. Figures of the
periods that are computed ahead are read as stored; those of other periods are computed meanwhile.
With `--loaded`, a database is used that tests.support.bulk_shop has filled. Ends with 1 if anything
was `slow`.
"""

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, Final

import httpx

from services.lifecycle.figures import repository as store
from services.lifecycle.figures.period import latest_periods
from services.lifecycle.figures.precompute import Precomputation, periods_ahead
from services.lifecycle.figures.service import FigureService
from shared.clock import monotonic
from shared.database import connection as db
from shared.database import migrations
from tests.bench import reads_calls
from tests.bench.latency import free_port, process
from tests.bench.reads_calls import Asker, Call
from tests.bench.reads_points import point_reads
from tests.support.bulk_shop import CUSTOMERS, load
from tests.support.fresh_servers import drop_database, eventually, make_database
from tests.support.server_stack import open_stack

CALLS: Final = 200
KEPT_ROUNDS: Final = 5
PATIENCE_S: Final = 20.0
"""No more calls of one kind after so long."""
UNANSWERED_MS: Final = 60_000.0
MOST_MS: Final = 300.0
"""p95 at the most."""
_ACCOUNTS: Final[tuple[dict[str, str], ...]] = ({}, {"account": "b2b"})


def show(line: Mapping[str, Any]) -> bool:
    """One JSON line, at once; whether nothing in it was slow."""
    text = json.dumps(line)
    print(text, flush=True)
    return '"slow": true' not in text


def told(times: Sequence[float]) -> dict[str, Any]:
    """The milliseconds of some calls."""
    ordered = sorted(times)
    p50, p95 = statistics.median(ordered), ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
    slow = {"slow": True} if p95 >= MOST_MS else {}
    return {"calls": len(ordered), "p50_ms": round(p50, 1), "p95_ms": round(p95, 1), **slow}


@asynccontextmanager
async def api(bootstrap: str, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The API of lifecycle as a process, once it answers."""
    port = free_port()
    settings = {
        "kafka_bootstrap": bootstrap,
        "database_url": url,
        "api_key": "key-of-the-bench",
        "log_level": "warning",
    }
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": "Bearer key-of-the-bench"},
        timeout=120,
    )
    async with process("services.lifecycle.app", **settings, clock="log", port=str(port)), client:

        async def answers() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(answers, within_s=30)
        yield client


async def timed(client: httpx.AsyncClient, call: Call) -> tuple[float, httpx.Response]:
    """Milliseconds until the whole answer was there, and the answer."""
    began = monotonic()
    answer = await call.send(client)
    return (monotonic() - began) * 1000, answer


async def repeated(
    client: httpx.AsyncClient, following: Callable[[Any], Call], calls: int = CALLS
) -> list[float]:
    """The times of calls, each made from the answer before, as many as there is time for."""
    times, until, answer = list[float](), monotonic() + PATIENCE_S, None
    while len(times) < calls and monotonic() < until:
        time, found = await timed(client, following(answer))
        times.append(time)
        answer = found.json()
    return times


async def everything(client: httpx.AsyncClient, asker: Asker) -> AsyncIterator[dict[str, Any]]:
    """One customer, several, all counted, lists and changes."""
    following: dict[str, Callable[[Any], Call]] = {
        name: walk.next for name, walk in asker.walks().items()
    }
    for name, make in {**asker.singles(), **asker.counts()}.items():
        following[name] = lambda _, make=make: make()  # type: ignore[misc]
    for name, call in sorted(following.items()):
        try:
            await repeated(client, call, 3)
            yield {"read": name, **told(await repeated(client, call))}
        except httpx.HTTPStatusError as error:
            yield {"read": name, "status": error.response.status_code, "slow": True}


async def computed_ahead(url: str) -> tuple[date, dict[str, Any]]:
    """Compute figures ahead as the API does; returns the day of the clock and the time taken."""
    began = monotonic()
    async with await db.create_pool(url, "lifecycle") as pool:
        day = (await store.history_state(pool)).day
        number = await Precomputation(pool, FigureService(pool)).compute_missing(day)
    return day, {"figures_computed_ahead": number, "seconds": round(monotonic() - began, 1)}


async def figures(client: httpx.AsyncClient, day: date) -> AsyncIterator[dict[str, Any]]:
    """Read each figure of periods computed ahead, as stored; then of others, on demand."""
    for account in _ACCOUNTS:
        kept = [
            reads_calls.figure("/v1/figures", period, **account) for period in latest_periods(day)
        ]
        yield {
            "read": "/v1/figures",
            **account,
            "kept": told(await _all(client, kept * KEPT_ROUNDS)),
        }
    for path in await reads_calls.figure_paths(client):
        for account in _ACCOUNTS:
            kept = [reads_calls.figure(path, period, **account) for period in periods_ahead(day)]
            line: dict[str, Any] = {
                "read": path,
                **account,
                "kept": told(await _all(client, kept * KEPT_ROUNDS)),
            }
            for length, periods in reads_calls.periods().items():
                others = [reads_calls.figure(path, period, **account) for period in periods]
                line[f"computed_{length}_ms"] = [round(time) for time in await _all(client, others)]
            yield line


async def _all(client: httpx.AsyncClient, calls: Sequence[Call]) -> list[float]:
    """The times of calls, one after the other; of one that is refused, UNANSWERED_MS."""
    times = list[float]()
    for call in calls:
        try:
            times.append((await timed(client, call))[0])
        except httpx.HTTPStatusError:
            times.append(UNANSWERED_MS)
    return times


async def main(customers: int, loaded: str | None) -> bool:
    """Print JSON lines; whether every read was fast enough."""
    fast = True
    async with open_stack() as stack:
        url = loaded or await make_database(stack.database_url)
        if loaded is None:
            await migrations.upgrade_all(url)
            customers = await load(url, customers)
        day, line = await computed_ahead(url)
        show(line)
        async with api(stack.bootstrap, url) as client:
            for lines in (everything(client, Asker(customers)), figures(client, day)):
                async for line in lines:
                    fast &= show(line)
            fast &= show(
                await point_reads(stack.bootstrap, url, client.base_url.port or 0, customers)
            )
        if loaded is None:
            await drop_database(url)
    return fast


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--loaded")
    asked = parser.parse_args()
    sys.exit(not asyncio.run(main(asked.customers, asked.loaded)))
