"""The clocks of the partitions: until when the worker has applied their deadlines."""

from datetime import datetime
from typing import Final

from shared.clock import DAWN
from shared.database.connection import Pool, Tx

_FURTHEST: Final = "SELECT max(clock) FROM owner"
_LEAST: Final = "SELECT min(clock) FROM owner"
_CLOCK: Final = "SELECT clock FROM owner WHERE partition = $1"


async def furthest_clock(source: Pool | Tx) -> datetime:
    """The greatest clock of all partitions; DAWN before the first tick.

    No customer has been judged by time beyond it.
    """
    return await source.fetchval(_FURTHEST) or DAWN


async def least_clock(source: Pool | Tx) -> datetime:
    """The least clock of all partitions: every customer has been judged until then."""
    return await source.fetchval(_LEAST) or DAWN


async def partition_clock(source: Pool | Tx, partition: int) -> datetime:
    """The clock of one partition; DAWN before its first tick."""
    return await source.fetchval(_CLOCK, partition) or DAWN
