"""`make bench-simulation`: how long a simulation takes over a simulated shop of about a million stored events.

Usage: python -m tests.bench.simulation [EVENTS]
The events and what the built-in policy made of them are written as the worker would have left them; then another policy
is tried by the process that the API starts. One JSON line; `peak_mb` is the most memory that this process held.
"""

import asyncio
import json
import os
import resource
import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from uuid import uuid4

from services.lifecycle import policies, simulations
from services.lifecycle.domain.policy import Policy
from services.lifecycle.merging import forwarded
from services.lifecycle.simulations import Order
from shared import clock, migrations
from shared.events.envelope import decode
from shared.simulator.shop import Line, Shop, lines, lives
from tests.integration import policies as shops
from tests.integration.simulations import Store
from tests.stack import open_stack
from tests.support import PARTITIONS, drop_database, make_database

EVENTS = 1_000_000
MONTHS = 24
TRIED_MONTHS = 12
CANDIDATE = Policy(name="strict", at_risk_days=60, inactive_days=120, contact_days=90)


async def load(url: str, events: int) -> tuple[Shop, int]:
    """Customers until there are so many events; the shop and their number."""
    shop, stored, customers = Shop(customers=1_000_000, months=MONTHS, seed=7), 0, 0
    target = shops.Shop(url)
    await target.set_clock(shop.ends)
    await target.adopt(None, shop.ends)
    async with target.connected() as connection:
        store = Store(connection, await policies.load(connection), shop.ends)
        for life in lives(shop):
            records = list(known(life.person.customer, lines(shop, life)))
            await store.add(life.person.customer, records)
            stored, customers = stored + len(records), customers + 1
            if stored >= events:
                break
        await store.flush()
    return shop, customers


def known(customer: str, life: Iterable[Line]) -> Iterator[bytes]:
    """The events of a customer, those under an id that was merged into this one too."""
    for line in life:
        event = decode(line.json.encode())
        if event.subject == customer:
            yield line.json.encode()
        elif event.type != "customer.merged":
            yield forwarded(event, customer, PARTITIONS).body


async def simulate(url: str, order: Order) -> dict[str, object]:
    """Run one in its process."""
    target, id = shops.Shop(url), uuid4()  # noqa: A001
    async with target.connected() as connection:
        await connection.execute("ANALYZE")
        await simulations.create(connection, id, order, clock.now(), request="{}", key=None)
        began = clock.monotonic()
        command = sys.executable, "-m", "services.lifecycle.simulate", str(id)
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "STAMMKUNDE_DATABASE_URL": url})
        code = await process.wait()
        seconds = clock.monotonic() - began
        found = await simulations.find(connection, id)
    if code or found is None or found.report is None:
        raise SystemExit(f"the simulation ended with {code}: {found and found.reason}")
    report = json.loads(found.report)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    figures = {"seconds": round(seconds, 1), "events_per_s": round(report["events"] / seconds), "peak_mb": peak}
    return {**{name: report[name] for name in ("events", "customers", "differing", "unsettled")}, **figures}


async def main(events: int) -> None:
    """Print one JSON line."""
    async with open_stack() as stack:
        url = await make_database(stack.database_url)
        await migrations.upgrade_all(url)
        shop, _ = await load(url, events)
        begins = shop.ends - timedelta(days=30 * TRIED_MONTHS)
        figures = await simulate(url, Order(CANDIDATE, begins, shop.ends, None))
        print(json.dumps({"simulation": figures}), flush=True)
        await drop_database(url)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS))
