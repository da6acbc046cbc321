"""`make bench`: print speed, memory, and ratios to a reference loop as JSON lines.

The reference loop is a bare consumer with the same durability promise on the same broker and
database; STAMMKUNDE_REFERENCE_LOOP names the script
(called with BOOTSTRAP DSN EVENTS CUSTOMERS BATCH). Without it only our own figures are printed.
"""

import asyncio
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.server_stack import open_stack

EVENTS, CUSTOMERS, BATCH, ROUNDS = 200_000, 20_000, 2_000, 3
SHOPPERS = 4_000
REFERENCE = Path(os.environ.get("STAMMKUNDE_REFERENCE_LOOP", "../shared/bench/reference_loop.py"))


async def run(*command: str) -> list[dict[str, Any]]:
    """The JSON lines that a command prints; its other output goes to standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]


def show(figures: dict[str, Any]) -> None:
    """One JSON line, at once."""
    print(json.dumps(figures), flush=True)


async def settle(url: str) -> None:
    """Leave no tables to vacuum and no pages to write that would slow the next run."""
    connection = await asyncpg.connect(url)
    await connection.execute("DROP SCHEMA IF EXISTS ref CASCADE")  # the reference loop's
    await connection.execute("CHECKPOINT")
    await connection.close()


async def lifecycle(bootstrap: str, url: str) -> None:
    """Lifecycle's worker and the reference loop in turns, from empty tables."""
    ours, reference = list[float](), list[float]()
    for number in range(ROUNDS):
        if await asyncio.to_thread(REFERENCE.exists):
            await settle(url)
            (found,) = await run(
                str(REFERENCE), bootstrap, url, str(EVENTS), str(CUSTOMERS), str(BATCH)
            )
            reference.append(found["events_per_s"])
            show({"round": number + 1, "reference": found})
        await settle(url)
        (found,) = await run(
            "-m", "tests.bench.lifecycle", bootstrap, url, str(EVENTS), str(CUSTOMERS)
        )
        ours.append(found["events_per_s"])
        show({"round": number + 1, "lifecycle": found})
    figures: dict[str, Any] = {"lifecycle_events_per_s": statistics.median(ours)}
    if reference:
        figures["reference_events_per_s"] = statistics.median(reference)
        figures["lifecycle_ratio_to_reference"] = round(
            statistics.median(ours) / statistics.median(reference), 2
        )
    show(figures)
    for kind, customers in (("cadence", CUSTOMERS), ("late", CUSTOMERS), ("simulated", SHOPPERS)):
        await settle(url)
        (found,) = await run(
            "-m", "tests.bench.lifecycle", bootstrap, url, str(EVENTS), str(customers), kind
        )
        if reference:
            found["ratio_to_reference"] = round(
                found["events_per_s"] / statistics.median(reference), 2
            )
        show({f"lifecycle_{kind}": found})


async def main() -> None:
    """Everything, one after the other."""
    async with open_stack() as stack:
        await lifecycle(stack.bootstrap, stack.database_url)
        for line in await run("-m", "tests.bench.deadlines", stack.bootstrap, stack.database_url):
            show(line)
        for line in await run("-m", "tests.bench.ingest", stack.bootstrap):
            show(line)
        for line in await run("-m", "tests.bench.latency", stack.bootstrap, stack.database_url):
            show(line)


if __name__ == "__main__":
    asyncio.run(main())
