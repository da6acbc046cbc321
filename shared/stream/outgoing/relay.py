"""The relay: publishes the outbox in order, and deletes what Kafka has acknowledged."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final

import asyncpg
from aiokafka import AIOKafkaProducer

from shared import metrics
from shared.aio import wait
from shared.clock import now
from shared.database import connection as db
from shared.database.connection import retryable_errors
from shared.errors import Fenced
from shared.kafka.producer import MAX_EVENT
from shared.stream.outgoing import quarantine
from shared.stream.outgoing.partition_queue import Delivery, PartitionQueue, Row

_NEXT: Final = """
SELECT place.partition, seq, topic, key, traceparent,
    CASE WHEN octet_length(body) <= $4 THEN body END AS body,
    EXISTS (
        SELECT FROM quarantine AS q WHERE q.partition = place.partition AND q.key = found.key
    ) AS waits
FROM unnest($1::int[]) AS place(partition)
CROSS JOIN LATERAL (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS total
    FROM (
        SELECT seq, topic, key, body, traceparent FROM outbox
        WHERE outbox.partition = place.partition ORDER BY seq LIMIT $2
    ) AS first
) AS found
WHERE total - octet_length(body) <= $3
"""
"""By partition: rows until one exceeds the bytes. Bodies too large for Kafka are left there."""
_DELETE: Final = """
WITH ours AS (
    SELECT partition, $4::timestamptz AS at
    FROM owner
    JOIN unnest($2::int[], $3::bigint[]) AS known(partition, epoch) USING (partition, epoch)
    ORDER BY partition FOR KEY SHARE OF owner
), gone AS (
    DELETE FROM outbox USING ours
    WHERE outbox.partition = ours.partition AND outbox.seq = ANY($1::bigint[])
    RETURNING {columns}
){archived} SELECT count(*) FROM gone
"""
"""The lock excludes a new owner, but not the owner's batches: the relay runs beside them."""
_TOO_LARGE: Final = f"larger than {MAX_EVENT} bytes"
_DRAIN_S: Final = 5.0
"""How long a partition may take before it is let go: a broker may be away."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most rows of a partition under way, and most bytes of all partitions (but a row each)."""

    rows: int = 2_000
    bytes: int = 16 << 20


class Relay:
    """Publishes the outbox rows of the partitions owned, each partition by itself.

    `archive` is an INSERT that keeps some of them in the statement that deletes them: it reads the
    deleted rows from `gone`, and from `ours` the partitions that are still ours with the instant of
    the deletion (`at`).
    """

    def __init__(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        producer: AIOKafkaProducer,
        epochs: Callable[[], Mapping[int, int]],
        *,
        new_producer: Callable[[], AIOKafkaProducer],
        archive: str | None = None,
        limits: Limits = Limits(),
        interval_s: float = 0.2,
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._new_producer = new_producer
        self._epochs = epochs
        self._deletion = _deletion(archive)
        self._limits = limits
        self._interval_s = interval_s
        self._woken = asyncio.Event()
        self._turn = asyncio.Lock()
        self._queues: dict[int, PartitionQueue] = {}
        self._sending: dict[int, asyncio.Task[Delivery]] = {}
        self._sent_under: dict[int, int] = {}

    def wake(self) -> None:
        """Look at once whether there are new rows."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled; raises Retryable or Fenced."""
        while True:
            await wait(self._woken, self._interval_s)
            self._woken.clear()
            async with self._turn:
                await self._settle()
                await self._start()

    async def publish(self) -> int:
        """Publish and delete the next rows of each partition; returns how many."""
        async with self._turn:
            await self._start()
            return await self._finish()

    @asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        """Publish nothing during the block, which begins when nothing is under way any more."""
        async with self._turn:
            await self._finish()
            yield

    async def close(self) -> None:
        """Stop at once what is under way."""
        await self._cancel()
        for queue in self._queues.values():
            await queue.close()

    async def _start(self) -> None:
        """Send the next rows of every partition that is free."""
        epochs = {
            partition: epoch
            for partition, epoch in self._epochs().items()
            if partition not in self._sending and not self._queue(partition).is_resting
        }
        if not epochs:
            return
        share = self._limits.bytes // len(self._epochs())
        with retryable_errors():
            rows = await self._connection.fetch(
                _NEXT, list(epochs), self._limits.rows, share, MAX_EVENT
            )
        rows.sort(key=itemgetter("partition", "seq"))
        for partition, found in groupby(rows, itemgetter("partition")):
            self._sent_under[partition] = epochs[partition]
            await self._begin(partition, list(found))

    async def _begin(self, partition: int, rows: list[Row]) -> None:
        """Send a partition's rows up to the first that is too large, but for those that wait."""
        waiting = [row["seq"] for row in rows if row["waits"]]
        if waiting:
            with retryable_errors():
                async with db.transaction(self._connection) as tx:
                    await quarantine.join(tx, partition, self._sent_under[partition], waiting)
            self._woken.set()
            rows = [row for row in rows if not row["waits"]]
        if rows:
            task = asyncio.create_task(self._send(rows))
            task.add_done_callback(lambda _: self._woken.set())
            self._sending[partition] = task

    async def _send(self, rows: Sequence[Row]) -> Delivery:
        """Publish rows of one partition, each topic's in order."""
        large = next((n for n, row in enumerate(rows) if row["body"] is None), len(rows))
        queue = self._queue(rows[0]["partition"])
        delivery = await queue.send(rows[:large]) if large else Delivery()
        if large < len(rows) and delivery.broken is None:
            delivery.refused.append((rows[large], _TOO_LARGE))
        return delivery

    async def _finish(self) -> int:
        """Wait for what is under way; returns how many rows were published."""
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=_DRAIN_S)
        published = await self._settle()
        await self._cancel()
        return published

    async def _settle(self) -> int:
        """Delete what was acknowledged, and set aside what was refused."""
        ended = {p: task for p, task in self._sending.items() if task.done()}
        for partition in ended:
            del self._sending[partition]
        deliveries = {p: task.result() for p, task in ended.items() if not task.exception()}
        rows = [row for delivery in deliveries.values() for row in delivery.acknowledged]
        if rows:
            await self._delete(rows, self._sent_under)
            for topic, count in Counter(row["topic"] for row in rows).items():
                metrics.OUTBOX_PUBLISHED.labels(topic).inc(count)
        for partition, delivery in deliveries.items():
            await self._set_aside(partition, delivery)
        for task in ended.values():
            task.result()
        return len(rows)

    async def _set_aside(self, partition: int, delivery: Delivery) -> None:
        if delivery.refused:
            refused = [(row["seq"], reason) for row, reason in delivery.refused]
            with retryable_errors():
                async with db.transaction(self._connection) as tx:
                    await quarantine.set_aside(tx, partition, self._sent_under[partition], refused)

    async def _delete(self, rows: Sequence[Row], epochs: Mapping[int, int]) -> None:
        """Delete under our epochs, in one round trip: the next rows wait for it."""
        partitions = sorted({row["partition"] for row in rows})
        with retryable_errors():
            deleted = await self._connection.fetchval(
                self._deletion,
                [row["seq"] for row in rows],
                partitions,
                [epochs[partition] for partition in partitions],
                now(),
            )
        if deleted != len(rows):
            raise Fenced(
                f"{deleted} of {len(rows)} outbox rows: "
                f"some of the partitions {partitions} have a new owner"
            )

    def _queue(self, partition: int) -> PartitionQueue:
        if partition not in self._queues:
            self._queues[partition] = PartitionQueue(self._producer, self._new_producer)
        return self._queues[partition]

    async def _cancel(self) -> None:
        tasks = list(self._sending.values())
        self._sending.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _deletion(archive: str | None) -> str:
    """One statement, so that what is deleted is archived once or not at all."""
    if archive is None:
        return _DELETE.format(columns="outbox.seq", archived="")
    return _DELETE.format(columns="outbox.*", archived=f", archived AS ({archive})")
