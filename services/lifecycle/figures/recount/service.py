"""Checks the daily counts, and rebuilds those that differ."""

from services.lifecycle.figures.recount import repository
from services.lifecycle.figures.recount.repository import RecountResult
from services.lifecycle.figures.repository import snapshot
from shared.database.connection import Pool, transaction


async def check(pool: Pool) -> RecountResult:
    """Compare, and change nothing."""
    async with pool.acquire() as connection, snapshot(connection) as tx:
        return await repository.compare(tx)


async def rebuild(pool: Pool) -> RecountResult:
    """Correct the rows that differ and drop all stored figures, while nobody else writes counts."""
    async with pool.acquire() as connection, transaction(connection) as tx:
        await repository.lock(tx)
        result = await repository.mend(tx)
        await repository.delete_zeros(tx)
        return result._replace(dropped=await repository.delete_figures(tx))
