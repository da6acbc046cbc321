"""The process of one simulation: `python -m services.lifecycle.simulate ID`, started by the API's process."""

import argparse
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from typing import Final
from uuid import UUID

import structlog
import uvloop
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from services.lifecycle.schedule import load_schedule
from services.lifecycle.simulations import repository
from services.lifecycle.simulations.comparison import (
    HistoryComparison,
    HistoryStep,
    SimulationReport,
    candidate_schedule,
)
from services.lifecycle.simulations.repository import (
    LATER,
    CustomerRecord,
    SimulationProgress,
    SimulationSpec,
)
from shared import clock, logs
from shared.database import connection as db
from shared.database.connection import Tx
from shared.errors import Retryable, StammkundeError
from shared.events import envelope
from shared.stream.worker import tune_memory

log = structlog.get_logger()

HANDFUL: Final = 500
TELL_EVERY_S: Final = 0.5
NICENESS: Final = 10


class SimulationSettings(BaseSettings):
    """What of the service's settings the process of a simulation needs."""

    model_config = SettingsConfigDict(env_prefix="STAMMKUNDE_", frozen=True, extra="ignore")

    database_url: str
    log_format: str = "console"
    log_level: str = "info"


class SimulationRun:
    """One run: reads a snapshot on one connection, tells on another how far it is."""

    def __init__(self, id: UUID, order: SimulationSpec, writer: Tx) -> None:
        self._id = id
        self._order = order
        self._writer = writer
        self._events = 0
        self._told = 0.0

    async def run(self, reader: Tx) -> SimulationReport | None:
        """The report; None if it was cancelled."""
        order = self._order
        comparison = HistoryComparison(order.begins, order.ends)
        async with repository.snapshot(reader) as tx:
            live = await load_schedule(tx)
            candidate = candidate_schedule(live, order.policy, order.begins).quiet
            total, done = await repository.count(tx), 0
            async with aclosing(repository.lives(tx, order.ends, handful=HANDFUL)) as handfuls:
                async for handful in handfuls:
                    if not await self._is_wanted(SimulationProgress(done, total, self._events)):
                        return None
                    self._compare(handful, candidate, comparison)
                    done += len(handful)
        return comparison.report(self._events)

    def _compare(
        self, handful: Iterable[CustomerRecord], candidate: Policies, comparison: HistoryComparison
    ) -> None:
        order = self._order
        for life in handful:
            try:
                folded = fold(_happenings(life), candidate, until=order.ends)
            except Exception as error:
                error.add_note(f"(customer {life.customer})")
                raise
            if order.account is None or folded.customer.account == order.account:
                self._events += len(life.events)
                comparison.add(
                    life.customer, life.steps, [HistoryStep.of(move) for move in folded.moves]
                )

    async def _is_wanted(self, progress: SimulationProgress) -> bool:
        now = clock.monotonic()
        if now - self._told < TELL_EVERY_S:
            return True
        self._told = now
        return await repository.advance(self._writer, self._id, progress)


def _happenings(life: CustomerRecord) -> Iterator[Happening]:
    for body in life.events:
        event = envelope.decode(body)
        content = read("", event)
        if event.subject == life.customer and isinstance(content, Happening):
            yield content


async def simulate(url: str, id: UUID) -> int:
    """Run a queued simulation to its end, good or bad; the exit code."""
    try:
        writer = await db.connect(url, "lifecycle")
    except Retryable:
        return LATER
    try:
        order = await repository.start(writer, id, clock.now())
        if order is None:
            return LATER
        log.info("simulation.started", simulation=str(id))
        await _run(url, SimulationRun(id, order, writer), id, writer)
        return 0
    finally:
        await writer.close()


async def _run(url: str, simulation: SimulationRun, id: UUID, writer: Tx) -> None:
    began = clock.monotonic()
    reader = await db.connect(url, "lifecycle")
    try:
        report = await simulation.run(reader)
        if report is not None:
            await repository.finish(writer, id, report, clock.now())
    except Exception as error:
        await repository.fail(writer, id, _reason(error), clock.now())
        raise
    finally:
        await reader.close()
    log.info("simulation.ended", simulation=str(id), seconds=round(clock.monotonic() - began, 2))


def _reason(error: Exception) -> str:
    told = str(error) if isinstance(error, StammkundeError) else f"{type(error).__name__}: {error}"
    return " ".join([told, *getattr(error, "__notes__", ())]).replace("\0", "\ufffd")


def _leash() -> None:
    """End at once when the process that has started this one has ended: it holds the other end of standard input."""

    def hold() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=hold, daemon=True).start()


def main() -> None:
    """Run until the end of the simulation."""
    parser = argparse.ArgumentParser(
        prog="python -m services.lifecycle.simulate", description=__doc__
    )
    parser.add_argument("id", type=UUID, help="of a queued simulation")
    parser.add_argument("--leashed", action="store_true", help="end when standard input does")
    given = parser.parse_args()
    if given.leashed:
        _leash()
    os.nice(NICENESS)
    settings = SimulationSettings()
    logs.configure("lifecycle-simulation", fmt=settings.log_format, level=settings.log_level)
    tune_memory()
    sys.exit(uvloop.run(simulate(settings.database_url, given.id)))


if __name__ == "__main__":
    main()
