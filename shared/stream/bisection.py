"""Commits a batch that the database has refused, without the customers whose data it refuses."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import asyncpg
import structlog

from shared.database import connection as db
from shared.error_texts import describe
from shared.stream.batch import Batch, Portion
from shared.stream.committer import write
from shared.stream.handler import Handler

log = structlog.get_logger()

MOST_REFUSED: Final = 20
"""If a partition's share of a batch has more such customers, it is not the data of a few."""


_TRIED: Final = "tried"


class Bisection:
    """Finds the customers whose data is refused, by leaving out more or fewer of them.

    What is tried is rolled back. Nothing else may use the handler and `writer` meanwhile.
    """

    def __init__(
        self, handler: Handler[Any], writer: db.Tx, note_progress: Callable[[], None]
    ) -> None:
        self._handler = handler
        self._writer = writer
        self._note_progress = note_progress
        self._customers: Collection[str] = ()

    async def commit(self, batch: Batch) -> None:
        """Commit partition by partition, and park those whose data is refused.

        Raises what the database says if it is not for the data of a few customers, and Fenced if a
        partition is not ours any more.
        """
        for partition in sorted(batch.portions):
            await self._commit(batch.portions[partition])

    async def _commit(self, portion: Portion) -> None:
        refused: dict[str, str] = {}
        while error := await self._attempt(portion, refused, keep=True):
            if len(refused) == MOST_REFUSED:
                raise error
            suspects = sorted(set(self._customers) - refused.keys())
            refused[await self._find(portion, refused, suspects, error)] = describe(error)
        for reason in refused.values():
            log.error("customer.parked", partition=portion.partition, reason=reason)

    async def _find(
        self,
        portion: Portion,
        refused: Mapping[str, str],
        suspects: Sequence[str],
        error: asyncpg.PostgresError,
    ) -> str:
        """Return the last of those suspects without whom the rest is not refused.

        Raises `error` if even the portion without all of them is refused.
        """
        low = 0
        high = len(suspects)
        if await self._attempt(portion, {**refused, **dict.fromkeys(suspects, _TRIED)}):
            raise error
        while high - low > 1:
            middle = (low + high) // 2
            without = {**refused, **dict.fromkeys(suspects[:middle], _TRIED)}
            if await self._attempt(portion, without):
                low = middle
            else:
                high = middle
        return suspects[low]

    async def _attempt(
        self, portion: Portion, refused: Mapping[str, str], *, keep: bool = False
    ) -> asyncpg.PostgresError | None:
        """Write a portion without some customers; returns what the database refuses, if anything.

        Without `keep`, everything is rolled back.
        """
        self._note_progress()
        self._handler.forget()
        batch = Batch({portion.partition: portion.anew()}, refused=refused)
        self._customers = {incoming.event.subject for incoming in portion.events}
        try:
            with db.retryable_errors():
                work = await self._handler.prepare(batch)
            self._customers = self._handler.customers(work)
            async with db.transaction(self._writer) as tx:
                await write(tx, self._handler, batch, work)
                if not keep:
                    await tx.execute("SET CONSTRAINTS ALL IMMEDIATE")
                    raise _Undo
        except _Undo:
            return None
        except db.DATA_REFUSED as error:
            return error
        return None


class _Undo(Exception):
    """Roll back what was only tried."""
