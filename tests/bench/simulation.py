"""`make bench-simulation`: how long a simulation takes over about a million stored events.

Usage: python -m tests.bench.simulation [EVENTS]
The events and what the built-in policy made of them are written as the worker would have left them.
Then two policies are tried, each by the process that the API starts: one with other fixed days, one
by the cadence model with a fit made elsewhere. Prints one JSON line; `peak_mb` is the most memory
that the process held.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec
import psutil

from services.lifecycle.batch.merges import forwarded
from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.schedule import load_schedule, next_number
from services.lifecycle.simulations import repository
from services.lifecycle.simulations.repository import SimulationSpec
from shared import clock
from shared.database import migrations
from shared.events.envelope import decode
from shared.simulator.shop import Line, Shop, lines, lives
from tests.support import policy_shop as shops
from tests.support.fresh_servers import PARTITIONS, drop_database, make_database
from tests.support.merge_network import hop_of
from tests.support.server_stack import open_stack
from tests.support.simulation_shop import LifeStore

EVENTS = 1_000_000
MONTHS = 24
TRIED_MONTHS = 12
FIXED = Policy(name="strict", at_risk_days=60, inactive_days=120, contact_days=90)
CADENCE = Policy(name="rhythm", silence="cadence")
R = 0.52
ALPHA = 6.18
A = 0.89
B = 1.61


async def load(url: str, events: int) -> tuple[Shop, int]:
    """Store customers until there are so many events; returns the shop and their number."""
    shop = Shop(customers=1_000_000, months=MONTHS, seed=7)
    stored = 0
    customers = 0
    target = shops.Shop(url)
    await target.set_clock(shop.ends)
    await target.adopt(None, shop.ends)
    async with target.connected() as connection:
        store = LifeStore(connection, await load_schedule(connection), shop.ends)
        for life in lives(shop):
            records = list(known(life.person.customer, lines(shop, life)))
            await store.add(life.person.customer, records)
            stored += len(records)
            customers += 1
            if stored >= events:
                break
        await store.flush()
    return shop, customers


def known(customer: str, life: Iterable[Line]) -> Iterator[bytes]:
    """The events of a customer, including those of ids merged into this one."""
    for line in life:
        event = decode(line.json.encode())
        if event.subject == customer:
            yield line.json.encode()
        elif event.type != "customer.merged":
            yield forwarded(event, customer, hop_of(event.subject), PARTITIONS).body


async def simulate(url: str, spec: SimulationSpec) -> dict[str, object]:
    """Run a simulation in a process of its own."""
    target = shops.Shop(url)
    id = uuid4()
    async with target.connected() as connection:
        await connection.execute("ANALYZE")
        await repository.create(connection, id, spec, clock.now(), request="{}", key=None)
        began = clock.monotonic()
        command = sys.executable, "-m", "services.lifecycle.simulations.process", str(id)
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, "STAMMKUNDE_DATABASE_URL": url}
        )
        peak, code = await asyncio.gather(most_memory(process), process.wait())
        seconds = clock.monotonic() - began
        found = await repository.find(connection, id)
    if code or found is None or found.report is None:
        raise SystemExit(f"the simulation ended with {code}: {found and found.reason}")
    report = json.loads(found.report)
    figures = {
        "seconds": round(seconds, 1),
        "events_per_s": round(report["events"] / seconds),
        "peak_mb": peak,
    }
    return {
        **{name: report[name] for name in ("events", "customers", "differing", "unsettled")},
        **figures,
    }


async def most_memory(process: asyncio.subprocess.Process) -> int:
    """The most memory that a process held until it ended, in MiB."""
    most = 0
    watched = psutil.Process(process.pid)
    while process.returncode is None:
        with suppress(psutil.Error):
            most = max(most, watched.memory_info().rss)
        await asyncio.sleep(0.1)
    return most >> 20


async def add_fit(url: str, begins: datetime) -> None:
    """Store a fit of the cadence model, in force when the trial begins."""
    async with shops.Shop(url).connected() as connection:
        number = await next_number(connection)
        fit = Fit(number, begins, R, ALPHA, A, B)
        await connection.execute(
            "INSERT INTO fit"
            " (number, effective_at, made_at, accepted, customers, repeats, parameters)"
            " VALUES ($1, $2, $2, true, 1, 1, $3::json)",
            number,
            begins,
            msgspec.json.encode(fit).decode(),
        )


async def main(events: int) -> None:
    """Print one JSON line."""
    async with open_stack() as stack:
        url = await make_database(stack.database_url)
        await migrations.upgrade_all(url)
        shop, _ = await load(url, events)
        begins = shop.ends - timedelta(days=30 * TRIED_MONTHS)
        await add_fit(url, begins)
        tried = {
            p.silence: await simulate(url, SimulationSpec(p, begins, shop.ends, None))
            for p in (FIXED, CADENCE)
        }
        print(json.dumps({"simulation": tried}), flush=True)
        await drop_database(url)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS))
