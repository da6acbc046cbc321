"""The relay: publishes the outbox in order, and deletes what Kafka has acknowledged."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from shared import metrics
from shared.aio import wait
from shared.clock import now
from shared.database.connection import retryable_errors
from shared.error_texts import describe
from shared.errors import Fenced, Retryable
from shared.stream.log.ownership import TopicPartition

_NEXT: Final = """
SELECT seq, partition, topic, key, body, traceparent FROM outbox
WHERE partition = ANY($1::int[]) ORDER BY seq LIMIT $2
"""
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


class Relay:
    """Publishes the outbox rows of the partitions owned.

    `archive` is an INSERT that keeps some of them in the statement that deletes them: it reads the
    deleted rows from `gone`, and from `ours` the partitions that are still ours with the instant of
    the deletion (`at`). `publishing` is held while rows are under way.
    """

    def __init__(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        producer: AIOKafkaProducer,
        epochs: Callable[[], Mapping[int, int]],
        *,
        archive: str | None = None,
        rows: int = 4000,
        interval_s: float = 0.2,
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._epochs = epochs
        self._deletion = _deletion(archive)
        self._rows = rows
        self._interval_s = interval_s
        self._woken = asyncio.Event()
        self.publishing = asyncio.Lock()

    def wake(self) -> None:
        """Look at once whether there are new rows."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled; raises Retryable or Fenced."""
        while True:
            await wait(self._woken, self._interval_s)
            self._woken.clear()
            while await self.publish() == self._rows:
                pass

    async def publish(self) -> int:
        """Publish and delete the next rows; returns how many."""
        async with self.publishing:
            epochs = dict(self._epochs())
            if not epochs:
                return 0
            with retryable_errors():
                rows = await self._connection.fetch(_NEXT, list(epochs), self._rows)
            if rows:
                await self._send(rows)
                await self._delete(rows, epochs)
                for topic, count in Counter(row["topic"] for row in rows).items():
                    metrics.OUTBOX_PUBLISHED.labels(topic).inc(count)
            return len(rows)

    async def _send(self, rows: Sequence[asyncpg.Record]) -> None:
        """Publish rows, each topic's partition in order.

        The batches are built here: one `send` for each record costs more.
        """
        by_place: dict[TopicPartition, list[asyncpg.Record]] = {}
        for row in rows:
            by_place.setdefault((row["topic"], row["partition"]), []).append(row)
        try:
            acks = [
                await self._producer.send_batch(batch, topic, partition=partition)
                for (topic, partition), rows_there in by_place.items()
                for batch in self._batches(rows_there)
            ]
            await asyncio.gather(*acks)
        except KafkaError as error:
            raise Retryable(f"Kafka did not acknowledge: {describe(error)}") from error

    def _batches(self, rows: Sequence[asyncpg.Record]) -> Iterator[BatchBuilder]:
        batch = self._producer.create_batch()
        for row in rows:
            key = None if row["key"] is None else row["key"].encode()
            headers = [("traceparent", row["traceparent"].encode())] if row["traceparent"] else []
            record = {"key": key, "value": row["body"], "timestamp": None, "headers": headers}
            if batch.append(**record) is None:
                yield batch
                batch = self._producer.create_batch()
                batch.append(**record)
        yield batch

    async def _delete(self, rows: Sequence[asyncpg.Record], epochs: Mapping[int, int]) -> None:
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


def _deletion(archive: str | None) -> str:
    """One statement, so that what is deleted is archived once or not at all."""
    if archive is None:
        return _DELETE.format(columns="outbox.seq", archived="")
    return _DELETE.format(columns="outbox.*", archived=f", archived AS ({archive})")
