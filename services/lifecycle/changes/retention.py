"""Deletes changes that are older than they are kept for, a bounded number at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.lifecycle.changes import repository
from shared import clock
from shared.aio import in_background, wait
from shared.database import connection as db
from shared.database.connection import Pool
from shared.errors import Retryable

log = structlog.get_logger()

SWEEP_S: Final = 60.0
AT_ONCE: Final = 1000


class ChangeRetention:
    """Keeps changes for so many days of real time. Several processes may do the same at once."""

    def __init__(self, pool: Pool, partitions: int, days: int) -> None:
        self._pool = pool
        self._partitions = partitions
        self._kept = timedelta(days=days)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Every minute while the block runs."""
        async with in_background(self._run()):
            yield

    async def _run(self) -> None:
        while True:
            try:
                with db.retryable_errors():
                    await self.sweep(clock.now() - self._kept)
            except Retryable as error:
                log.warning("changes.not_swept", reason=str(error))
            await wait(asyncio.Event(), SWEEP_S)

    async def sweep(self, before: datetime, *, at_once: int = AT_ONCE) -> int:
        """Delete what was recorded before an instant; returns how many."""
        deleted = 0
        for partition in await repository.old(self._pool, self._partitions, before):
            while (
                found := await repository.delete(self._pool, partition, before, at_once)
            ) == at_once:
                deleted += found
            deleted += found
        if deleted:
            log.info("changes.deleted", changes=deleted, before=before.isoformat())
        return deleted
