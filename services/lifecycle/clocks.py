"""How far time has come: the clocks of the partitions."""

from datetime import datetime
from typing import Final

from shared.clock import DAWN
from shared.database.connection import Pool, Tx

_FURTHEST: Final = "SELECT max(clock) FROM owner"
_CLOCK: Final = "SELECT min(clock) FROM owner WHERE $1::int IS NULL OR partition = $1"


async def furthest_clock(pool: Pool | Tx) -> datetime:
    """The instant beyond which nobody has been judged by time."""
    return await pool.fetchval(_FURTHEST) or DAWN


async def clock(pool: Pool | Tx, partition: int | None = None) -> datetime:
    """The instant up to which a partition, or every one, has been judged."""
    return await pool.fetchval(_CLOCK, partition) or DAWN
