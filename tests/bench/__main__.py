"""`make bench`: print speed, memory, and ratios to a reference loop as JSON lines.

`make bench ARGS=lifecycle` runs one part: lifecycle, deadlines, ingest or latency.

The reference loop is a bare consumer with the same durability promise on the same broker and
database; STAMMKUNDE_REFERENCE_LOOP names the script
(called with BOOTSTRAP DSN EVENTS CUSTOMERS BATCH). Without it only our own figures are printed.
"""

import asyncio
import json
import os
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.server_stack import open_stack

EVENTS, CUSTOMERS, BATCH, ROUNDS = 200_000, 20_000, 2_000, 3
SHOPPERS = 4_000
PARTS = ("lifecycle", "deadlines", "ingest", "latency")
IN_ROUNDS = {"orders": "lifecycle", "updated": "lifecycle_updated"}
"""The inputs that are compared with the reference loop round by round, by the name printed."""
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
    """Lifecycle's worker and the reference loop, in turns and from empty tables.

    Plain orders and orders with an update each are measured in the same rounds, so that they can
    be compared.
    """
    found: dict[str, list[float]] = {name: [] for name in (*IN_ROUNDS.values(), "reference")}
    for number in range(1, ROUNDS + 1):
        if await asyncio.to_thread(REFERENCE.exists):
            figures = await reference(bootstrap, url)
            found["reference"].append(figures["events_per_s"])
            show({"round": number, "reference": figures})
        for kind, name in IN_ROUNDS.items():
            figures = await worker(bootstrap, url, kind)
            found[name].append(figures["events_per_s"])
            show({"round": number, name: figures})
    speeds = {name: statistics.median(speeds) for name, speeds in found.items() if speeds}
    show(summary(speeds))
    for kind in ("cadence", "late", "simulated"):
        figures = await worker(bootstrap, url, kind)
        if "reference" in speeds:
            figures["ratio_to_reference"] = ratio(figures["events_per_s"], speeds["reference"])
        show({f"lifecycle_{kind}": figures})


def summary(speeds: Mapping[str, float]) -> dict[str, float]:
    """The medians, their ratios to the reference loop, and what the updates cost."""
    figures = {f"{name}_events_per_s": speed for name, speed in speeds.items()}
    if "reference" in speeds:
        for name in IN_ROUNDS.values():
            figures[f"{name}_ratio_to_reference"] = ratio(speeds[name], speeds["reference"])
    plain, with_updates = IN_ROUNDS.values()
    return {**figures, "updated_ratio_to_plain": ratio(speeds[with_updates], speeds[plain])}


def ratio(ours: float, theirs: float) -> float:
    """One speed in relation to another, with two decimals."""
    return round(ours / theirs, 2)


async def reference(bootstrap: str, url: str) -> dict[str, Any]:
    """One run of the reference loop."""
    await settle(url)
    size = (str(EVENTS), str(CUSTOMERS), str(BATCH))
    (figures,) = await run(str(REFERENCE), bootstrap, url, *size)
    return figures


async def worker(bootstrap: str, url: str, kind: str) -> dict[str, Any]:
    """One run of lifecycle's worker with an input."""
    await settle(url)
    customers = SHOPPERS if kind == "simulated" else CUSTOMERS
    size = (str(EVENTS), str(customers))
    (figures,) = await run("-m", "tests.bench.lifecycle", bootstrap, url, *size, kind)
    return figures


async def main(*parts: str) -> None:
    """The parts that are named, or everything, one after the other."""
    async with open_stack() as stack:
        place = (stack.bootstrap, stack.database_url)
        for part in parts or PARTS:
            if part == "lifecycle":
                await lifecycle(*place)
                continue
            servers = place[:1] if part == "ingest" else place
            for line in await run("-m", f"tests.bench.{part}", *servers):
                show(line)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
