"""Checkpoints as an operator sees and moves them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.database.connection import Pool, Tx


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """How far one topic's partition has been applied, as it stands in the database."""

    topic: str
    partition: int
    next_offset: int
    ticked: datetime | None
    stopped: str | None


@dataclass(frozen=True, slots=True)
class StoredPartition:
    """A topic's partition: how far it has been applied, why it has stopped, who owns it."""

    topic: str
    partition: int
    next_offset: int
    stopped: str | None
    clock: datetime
    epoch: int


_ALL: Final = """
SELECT topic, partition, next_offset, ticked, stopped FROM checkpoint ORDER BY topic, partition
"""
_PARTITIONS: Final = """
SELECT topic, partition, next_offset, stopped, clock, epoch
FROM checkpoint JOIN owner USING (partition)
WHERE $1::text IS NULL OR (topic, partition) > ($1, $2::int)
ORDER BY topic, partition LIMIT $3
"""
_FENCE: Final = "UPDATE owner SET epoch = epoch + 1 WHERE partition = $1"
_MOVE: Final = """
UPDATE checkpoint SET next_offset = $4, stopped = NULL, last_offset = NULL, last_digest = NULL
WHERE topic = $1 AND partition = $2 AND next_offset = $3
"""
_RESUME: Final = """
UPDATE checkpoint SET stopped = NULL WHERE topic = $1 AND partition = $2 AND stopped IS NOT NULL
"""


async def load_checkpoints(connection: Tx) -> list[StoredCheckpoint]:
    """Return all checkpoints of a service, by topic and partition."""
    return [StoredCheckpoint(*row) for row in await connection.fetch(_ALL)]


async def load_partitions(
    connection: Tx | Pool, *, after: tuple[str, int] | None, limit: int
) -> list[StoredPartition]:
    """Return at most `limit` partitions behind topic and partition `after`, in this order."""
    topic, partition = after or (None, None)
    rows = await connection.fetch(_PARTITIONS, topic, partition, limit)
    return [StoredPartition(*row) for row in rows]


async def resume_partition(tx: Tx, topic: str, partition: int) -> bool:
    """Let a topic's partition that has stopped go on; returns False if it has not.

    Fences the owner, which takes the partition over anew: if its log is still not the one that the
    checkpoint knows, it stops again.
    """
    if await tx.execute(_RESUME, topic, partition) != "UPDATE 1":
        return False
    await tx.execute(_FENCE, partition)
    return True


async def reset_checkpoint(
    tx: Tx, topic: str, partition: int, *, expected: int, next_offset: int
) -> bool:
    """Move a checkpoint by hand into whatever log there is now, and let it go on if it stopped.

    Fences the owner, which takes the partition over anew. Returns False if the checkpoint was not
    at `expected`.
    """
    await tx.execute(_FENCE, partition)
    return await tx.execute(_MOVE, topic, partition, expected, next_offset) == "UPDATE 1"
