"""The clocks of the partitions: until when the worker has applied their deadlines."""

from datetime import datetime
from typing import Final

from shared.clock import CLOCK_START
from shared.database.connection import Pool, Tx

_CLOCK: Final = "SELECT clock FROM owner WHERE partition = $1"
_LEAST_CLOCK: Final = "SELECT min(clock) FROM owner"


async def partition_clock(source: Pool | Tx, partition: int) -> datetime:
    """The clock of one partition; CLOCK_START before its first tick."""
    clock: datetime | None = await source.fetchval(_CLOCK, partition)
    return clock or CLOCK_START


async def least_clock(source: Pool | Tx) -> datetime:
    """The least clock of all partitions."""
    clock: datetime | None = await source.fetchval(_LEAST_CLOCK)
    return clock or CLOCK_START
