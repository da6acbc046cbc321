"""The quarantine: rows of the outbox that Kafka refuses, and their customers' rows behind them.

A customer with a row here is parked towards Kafka: later rows join it, in order, until released.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import structlog

from shared import metrics
from shared.clock import now
from shared.database.connection import Tx, on_commit
from shared.errors import Fenced

log = structlog.get_logger()

WAITS: Final = "waits"
"""The reason of rows that wait behind another of their customer."""

_OWN: Final = (
    "SELECT FROM owner WHERE partition = $1 AND epoch = $2 FOR KEY SHARE"  # as the relay deletes
)
_SET_ASIDE: Final = """
WITH gone AS (DELETE FROM outbox WHERE seq = $1 RETURNING *)
INSERT INTO quarantine (seq, partition, topic, key, body, traceparent, reason, recorded_at)
SELECT seq, partition, topic, key, body, traceparent, $2, $3 FROM gone
"""
_JOIN: Final = """
WITH gone AS (
    DELETE FROM outbox
    WHERE partition = $1 AND seq = ANY($2::bigint[]) AND EXISTS (
        SELECT FROM quarantine AS q WHERE q.partition = outbox.partition AND q.key = outbox.key
    )
    RETURNING *
)
INSERT INTO quarantine (seq, partition, topic, key, body, traceparent, reason, recorded_at)
SELECT seq, partition, topic, key, body, traceparent, $3, $4 FROM gone
"""
_LOAD: Final = """
SELECT DISTINCT ON (partition, key) key, partition, count(*) OVER of_one AS rows,
    recorded_at, topic, octet_length(body) AS bytes, reason
FROM quarantine WINDOW of_one AS (PARTITION BY partition, key)
ORDER BY partition, key, seq
"""
_LOCK: Final = "SELECT FROM owner WHERE partition = $1 FOR UPDATE"
_PLACES: Final = "SELECT DISTINCT partition FROM quarantine WHERE key IS NOT DISTINCT FROM $1"
_RELEASE: Final = """
WITH gone AS (
    DELETE FROM quarantine WHERE partition = $1 AND key IS NOT DISTINCT FROM $2 RETURNING *
)
INSERT INTO outbox (seq, partition, topic, key, body, traceparent) OVERRIDING SYSTEM VALUE
SELECT seq, partition, topic, key, body, traceparent FROM gone
"""
"""With the numbers that they had: before everything that has been written since."""


class Held(NamedTuple):
    """How many rows wait for a customer (None: rows of nobody), and the first, which was refused.

    `since` is when that one came here.
    """

    customer: str | None
    partition: int
    rows: int
    since: datetime
    topic: str
    bytes: int
    reason: str


async def load(connection: Tx) -> list[Held]:
    """Return what waits, by partition and customer."""
    return [Held(*row) for row in await connection.fetch(_LOAD)]


async def set_aside(tx: Tx, partition: int, epoch: int, refused: Sequence[tuple[int, str]]) -> None:
    """Move rows, by number and reason, out of the outbox; raises Fenced if it is not ours."""
    await _check_owner(tx, partition, epoch)
    for seq, reason in refused:
        await tx.execute(_SET_ASIDE, seq, reason, now())
        log.error("outbox.quarantined", seq=seq, partition=partition, reason=reason)
    on_commit(lambda: metrics.OUTBOX_QUARANTINED.inc(len(refused)))


async def join(tx: Tx, partition: int, epoch: int, rows: Sequence[int]) -> None:
    """Let rows, by number, wait behind those of their customers that are in quarantine.

    Rows whose customer has been released meanwhile stay in the outbox. Raises Fenced.
    """
    await _check_owner(tx, partition, epoch)
    await tx.execute(_JOIN, partition, rows, WAITS, now())


async def release(tx: Tx, customer: str | None) -> int:
    """Give a customer's rows back to the outbox, in order; returns how many.

    None releases the rows that are nobody's.
    """
    released = 0
    for row in await tx.fetch(_PLACES, customer):
        # Nobody moves rows of the partition meanwhile: what is seen now is all that there is.
        await tx.execute(_LOCK, row["partition"])
        status = await tx.execute(_RELEASE, row["partition"], customer)
        released += int(status.split()[-1])
    return released


async def _check_owner(tx: Tx, partition: int, epoch: int) -> None:
    """Keep a new owner and a release out until the transaction ends, but not our batches."""
    if not await tx.fetch(_OWN, partition, epoch):
        raise Fenced(f"partition {partition} has a new owner")
