"""Checkpoints as an operator sees and moves them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.database.connection import Tx


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """How far one topic's partition has been applied, as it stands in the database."""

    topic: str
    partition: int
    next_offset: int
    ticked: datetime | None
    braked: str | None


_ALL: Final = """
SELECT topic, partition, next_offset, ticked, braked FROM checkpoint ORDER BY topic, partition
"""
_FENCE: Final = "UPDATE owner SET epoch = epoch + 1 WHERE partition = $1"
_MOVE: Final = """
UPDATE checkpoint SET next_offset = $4 WHERE topic = $1 AND partition = $2 AND next_offset = $3
"""
_RELEASE: Final = """
UPDATE checkpoint SET braked = NULL WHERE topic = $1 AND partition = $2 AND braked IS NOT NULL
"""


async def load_checkpoints(connection: Tx) -> list[StoredCheckpoint]:
    """Return all checkpoints of a service, by topic and partition."""
    return [StoredCheckpoint(*row) for row in await connection.fetch(_ALL)]


async def release_brake(tx: Tx, topic: str, partition: int) -> bool:
    """Release the dead-letter brake; returns False if there was none."""
    return await tx.execute(_RELEASE, topic, partition) == "UPDATE 1"


async def reset_checkpoint(
    tx: Tx, topic: str, partition: int, *, expected: int, next_offset: int
) -> bool:
    """Move a checkpoint by hand, and fence the owner, which takes the partition over anew.

    Returns False if the checkpoint was not at `expected`.
    """
    await tx.execute(_FENCE, partition)
    return await tx.execute(_MOVE, topic, partition, expected, next_offset) == "UPDATE 1"
