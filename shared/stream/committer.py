"""The commit of a batch: all its changes in one transaction, while the next is being folded."""

import asyncio
from typing import Any

import structlog

from shared import metrics
from shared.clock import monotonic
from shared.database import connection as db
from shared.stream.assignment import Assignment
from shared.stream.batch import Batch, BatchRefused
from shared.stream.handler import Handler
from shared.stream.log import dead_letters, ownership
from shared.stream.log.ownership import Advance
from shared.stream.outgoing.relay import Relay

log = structlog.get_logger()


class Committer:
    """Commits one batch at a time; nothing else may use `writer` meanwhile.

    `db.transaction` and `ownership.advance` are called through their modules: the fault tests
    replace them there (tests/fault/guards.py, tests/fault/worker.py).
    """

    def __init__(
        self, assignment: Assignment, handler: Handler[Any], writer: db.Tx, relay: Relay
    ) -> None:
        self._assignment = assignment
        self._handler = handler
        self._writer = writer
        self._relay = relay
        self._inflight: asyncio.Task[None] | None = None

    def begin(self, group: asyncio.TaskGroup, batch: Batch, work: object) -> None:
        """Commit a batch in the background; the one before must have settled."""
        self._inflight = group.create_task(self._commit(batch, work))

    async def settled(self) -> None:
        """Wait until nothing is being committed; raises what the commit raised."""
        if self._inflight:
            await asyncio.wait([self._inflight])
            if not self._inflight.cancelled():
                self._inflight.result()

    async def _commit(self, batch: Batch, work: object) -> None:
        started = monotonic()
        advances = batch.advances()
        try:
            async with db.transaction(self._writer) as tx:
                await write(tx, self._handler, batch, work)
        except db.DATA_REFUSED as error:
            raise BatchRefused(batch) from error
        self._relay.wake()
        self._assignment.committed.update({(a.topic, a.partition): a.next_offset for a in advances})
        _observe(batch, advances, monotonic() - started)


async def write(tx: db.Tx, handler: Handler[Any], batch: Batch, work: object) -> None:
    """Write everything that a batch changes; raises Fenced if a partition is not ours any more."""
    await ownership.lock(tx, batch.epochs)
    await handler.apply(work, tx)
    await dead_letters.add(tx, batch.dead_letters())
    await ownership.advance(tx, batch.advances(), batch.clock_moves())


def _observe(batch: Batch, advances: list[Advance], seconds: float) -> None:
    records = sum(len(portion.events) for portion in batch.portions.values())
    for move in advances:
        metrics.RECORDS_APPLIED.labels(move.topic).inc(move.next_offset - move.expected)
        if move.stopped:
            log.error(
                "partition.stopped", topic=move.topic, partition=move.partition, reason=move.stopped
            )
    metrics.BATCH_RECORDS.observe(records)
    metrics.BATCH_SECONDS.observe(seconds)
    log.debug("batch.applied", records=records, seconds=round(seconds, 4))
