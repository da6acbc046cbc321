"""The process of one simulation, started by the process of the API."""

import argparse
import asyncio
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from typing import Final
from uuid import UUID

import structlog
import uvloop

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from services.lifecycle.schedule import load_schedule
from services.lifecycle.simulations import repository
from services.lifecycle.simulations.comparison import (
    HistoryComparison,
    HistoryStep,
    candidate_schedule,
)
from services.lifecycle.simulations.report import SimulationReport
from services.lifecycle.simulations.repository import (
    CustomerRecord,
    SimulationProgress,
    SimulationSpec,
)
from services.lifecycle.simulations.runner import TRY_LATER
from shared import clock, logs
from shared.database.connection import Pool, Tx, connect, create_pool, retryable_errors
from shared.database.leases import hold
from shared.error_texts import describe
from shared.errors import Retryable
from shared.events import envelope
from shared.ids import hash64
from shared.processes import LIFECYCLE
from shared.settings import DatabaseUrl, EnvironmentSettings
from shared.stream.worker import tune_memory

log = structlog.get_logger()

CUSTOMERS_AT_A_TIME: Final = 500
REPORT_EVERY_S: Final = 0.5
NICENESS: Final = 10
CONNECTIONS: Final = 2
"""One for the progress and the result, one for the lease."""


class SimulationSettings(EnvironmentSettings):
    """The settings of the service that the process of a simulation needs."""

    database_url: DatabaseUrl
    log_format: str = "console"
    log_level: str = "info"


class SimulationRun:
    """One run: it reads a snapshot on one connection and reports its progress on others."""

    def __init__(self, id: UUID, spec: SimulationSpec, pool: Pool) -> None:
        self._id: Final = id
        self._spec: Final = spec
        self._pool: Final = pool
        self._comparison: Final = HistoryComparison(spec.begins, spec.ends)
        self._events = 0
        self._reported_at = 0.0

    async def run(self, reader: Tx) -> SimulationReport | None:
        """The report; None if the simulation was cancelled."""
        spec = self._spec
        async with repository.snapshot(reader) as tx:
            live = await load_schedule(tx)
            candidate = candidate_schedule(live, spec.policy, spec.begins).quiet
            is_complete = await self._compare_all(tx, candidate)
        return self._comparison.report(self._events) if is_complete else None

    async def _compare_all(self, tx: Tx, candidate: Policies) -> bool:
        """Compare the histories of all customers; False if the simulation was cancelled."""
        total = await repository.count_customers(tx)
        done = 0
        batches = repository.customers(tx, self._spec.ends, at_a_time=CUSTOMERS_AT_A_TIME)
        async with aclosing(batches):
            async for customers in batches:
                progress = SimulationProgress(done, total, self._events)
                if not await self._is_wanted(progress):
                    return False
                await self._compare(customers, candidate)
                done += len(customers)
        return True

    async def _compare(self, customers: Iterable[CustomerRecord], candidate: Policies) -> None:
        spec = self._spec
        for record in customers:
            # Customers with many events take long, and a process that is nice waits for others:
            # the lease must be renewed in between.
            await asyncio.sleep(0)
            try:
                folded = fold(_happenings(record), candidate, until=spec.ends)
            except Exception as error:
                error.add_note(f"(customer with key {hash64(record.customer)})")
                raise
            if spec.account is None or folded.customer.account == spec.account:
                self._events += len(record.events)
                steps = [HistoryStep.of(move) for move in folded.moves]
                self._comparison.add(record.customer, record.steps, steps)

    async def _is_wanted(self, progress: SimulationProgress) -> bool:
        """Report the progress, though not too often; False if the simulation was cancelled."""
        now = clock.monotonic()
        if now - self._reported_at < REPORT_EVERY_S:
            return True
        self._reported_at = now
        return await repository.advance(self._pool, self._id, progress)


def _happenings(record: CustomerRecord) -> Iterator[Happening]:
    for body in record.events:
        event = envelope.decode(body)
        content = read("", event)
        if event.subject == record.customer and isinstance(content, Happening):
            yield content


async def simulate(url: str, id: UUID) -> int:
    """Run a queued simulation to its end, good or bad; returns the exit code."""
    try:
        with retryable_errors():
            pool = await create_pool(url, LIFECYCLE, size=CONNECTIONS)
    except Retryable:
        return TRY_LATER
    async with pool, hold(pool, repository.lease_name(id)) as is_held:
        spec = await repository.start(pool, id, clock.now()) if is_held else None
        if spec is None:
            return TRY_LATER
        await _run(url, id, spec, pool)
        return 0


async def _run(url: str, id: UUID, spec: SimulationSpec, pool: Pool) -> None:
    log.info("simulation.started", simulation=str(id))
    began = clock.monotonic()
    reader = await connect(url, LIFECYCLE)
    try:
        report = await SimulationRun(id, spec, pool).run(reader)
        if report is not None:
            await repository.finish(pool, id, report, clock.now())
    except Exception as error:
        await repository.fail(pool, id, _describe(error), clock.now())
        raise
    finally:
        await reader.close()
    log.info("simulation.ended", simulation=str(id), seconds=round(clock.monotonic() - began, 2))


def _describe(error: Exception) -> str:
    """What went wrong, and with which customer."""
    notes: tuple[str, ...] = getattr(error, "__notes__", ())
    return " ".join([describe(error), *notes]).replace("\0", "\ufffd")


def _end_with_parent() -> None:
    """End at once when the process at the other end of standard input has ended."""

    def wait_for_parent() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait_for_parent, daemon=True).start()


def main() -> None:
    """Run until the end of the simulation."""
    parser = argparse.ArgumentParser(
        prog="python -m services.lifecycle.simulations.process", description=__doc__
    )
    parser.add_argument("id", type=UUID, help="the id of a queued simulation")
    parser.add_argument("--leashed", action="store_true", help="end when standard input does")
    arguments = parser.parse_args()
    if arguments.leashed:
        _end_with_parent()
    os.nice(NICENESS)
    settings = SimulationSettings()
    logs.configure("lifecycle-simulation", fmt=settings.log_format, level=settings.log_level)
    tune_memory()
    sys.exit(uvloop.run(simulate(settings.database_url.get_secret_value(), arguments.id)))


if __name__ == "__main__":
    main()
