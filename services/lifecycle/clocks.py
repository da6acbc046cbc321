"""The clocks of the partitions: up to them the worker has applied every deadline."""

from datetime import datetime
from typing import Final

from shared.clock import CLOCK_START
from shared.database.connection import Pool, Tx

_FURTHEST: Final = "SELECT max(clock) FROM owner"
_LEAST: Final = "SELECT min(clock) FROM owner"
_CLOCK: Final = "SELECT clock FROM owner WHERE partition = $1"


async def furthest_clock(source: Pool | Tx) -> datetime:
    """Read the greatest clock of all partitions; CLOCK_START before the first tick.

    No customer has been judged by time beyond it.
    """
    return await source.fetchval(_FURTHEST) or CLOCK_START


async def least_clock(source: Pool | Tx) -> datetime:
    """Read the least clock of all partitions: every customer has been judged up to it."""
    return await source.fetchval(_LEAST) or CLOCK_START


async def partition_clock(source: Pool | Tx, partition: int) -> datetime:
    """Read the clock of one partition; CLOCK_START before its first tick."""
    return await source.fetchval(_CLOCK, partition) or CLOCK_START
