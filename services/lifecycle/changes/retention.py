"""Deletes changes that have been kept long enough, a bounded number at a time."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.lifecycle.changes import repository
from shared import clock
from shared.background import Periodic
from shared.database.connection import Pool, retryable_errors

log = structlog.get_logger()

SWEEP_S: Final = 60.0
AT_ONCE: Final = 1000


class ChangeRetention:
    """Keeps changes for so many days of real time. Several processes may do the same at once."""

    def __init__(self, pool: Pool, partitions: int, days: int) -> None:
        self._pool = pool
        self._partitions = partitions
        self._kept = timedelta(days=days)
        self._rounds = Periodic("changes_retention", self._delete_old, pause=SWEEP_S)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Delete what is too old every minute while the block runs."""
        return self._rounds.running()

    async def _delete_old(self) -> None:
        with retryable_errors():
            await self.sweep(clock.now() - self._kept)

    async def sweep(self, before: datetime, *, at_once: int = AT_ONCE) -> int:
        """Delete what was recorded before an instant; returns how many."""
        deleted = 0
        for partition in await repository.partitions_with_old(self._pool, self._partitions, before):
            while (
                found := await repository.delete(self._pool, partition, before, at_once)
            ) == at_once:
                deleted += found
            deleted += found
        if deleted:
            log.info("changes.deleted", changes=deleted, before=before.isoformat())
        return deleted
