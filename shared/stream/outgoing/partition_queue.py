"""One partition's queue to Kafka: its rows in order, whatever becomes of other partitions' rows."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from shared import metrics
from shared.clock import monotonic
from shared.error_texts import describe
from shared.errors import Retryable
from shared.kafka.producer import REFUSALS, close

log = structlog.get_logger()

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0

Row = asyncpg.Record
Batch = tuple[list[Row], BatchBuilder]


@dataclass(slots=True)
class Delivery:
    """What became of some rows: acknowledged, refused for a reason, or neither: still to be sent.

    `broken` says that a producer cannot go on with this partition: its sequence has a gap.
    """

    acknowledged: list[Row] = field(default_factory=list)
    refused: list[tuple[Row, str]] = field(default_factory=list)
    broken: KafkaError | None = None


class PartitionQueue:
    """Sends the rows of one partition, each topic's in order.

    It shares a producer with other queues until that producer cannot go on with this partition,
    and has one of its own from then on.
    """

    def __init__(
        self, producer: AIOKafkaProducer, new_producer: Callable[[], AIOKafkaProducer]
    ) -> None:
        self._producer = producer
        self._new_producer = new_producer
        self._own: AIOKafkaProducer | None = None
        self._suspects: defaultdict[str, int] = defaultdict(int)
        """By topic how many of the next rows are sent alone: one of them was refused."""
        self._failures = 0
        self._resting_until = 0.0

    @property
    def is_resting(self) -> bool:
        """Has it just failed, so that it is too early to try again?"""
        return monotonic() < self._resting_until

    async def send(self, rows: Sequence[Row]) -> Delivery:
        """Send rows, stopping where one is refused; raises Retryable if Kafka is out of reach."""
        delivery = Delivery()
        by_topic: dict[str, list[Row]] = {}
        for row in rows:
            by_topic.setdefault(row["topic"], []).append(row)
        await asyncio.gather(*(self._send(*each, delivery) for each in by_topic.items()))
        if delivery.broken is None:
            self._failures = 0
        else:
            await self._renew(delivery.broken)
        return delivery

    async def _send(self, topic: str, rows: Sequence[Row], delivery: Delivery) -> None:
        for some, batch in self._batches(topic, rows):
            try:
                sent = self._producer.send_batch(batch, topic, partition=some[0]["partition"])
                await (await sent)
            except REFUSALS as error:
                delivery.broken = error
                if len(some) == 1:
                    delivery.refused.append((some[0], type(error).__name__))
                self._suspects[topic] = len(some) - 1 and len(some)
                return
            except KafkaError as error:
                delivery.broken = error
                return
            delivery.acknowledged += some
            self._suspects[topic] = max(0, self._suspects[topic] - len(some))

    def _batches(self, topic: str, rows: Sequence[Row]) -> Iterator[Batch]:
        """Build the batches here: one `send` for each record costs more."""
        alone = self._suspects[topic]
        batch = self._producer.create_batch()
        some: list[Row] = []
        for number, row in enumerate(rows):
            if some and (number <= alone or not _append(batch, row)):
                yield some, batch
                some = []
                batch = self._producer.create_batch()
            if not some:
                _append(batch, row)
            some.append(row)
        yield some, batch

    async def _renew(self, error: KafkaError) -> None:
        """Go on with a new producer of our own: at once after a refusal, else after a rest."""
        if not isinstance(error, REFUSALS):
            pause = min(_FIRST_PAUSE_S * 2**self._failures, _LONGEST_PAUSE_S)
            self._failures += 1
            self._resting_until = monotonic() + pause
            metrics.OUTBOX_RETRIES.inc()
            log.warning("outbox.not_acknowledged", error=describe(error), pause_s=pause)
        await self.close()
        self._own = self._new_producer()
        try:
            await self._own.start()
        except KafkaError as failure:
            raise Retryable(f"Kafka cannot be reached: {describe(failure)}") from failure
        self._producer = self._own

    async def close(self) -> None:
        """Let go of the queue's own producer, if it has one."""
        if self._own:
            await close(self._own)
            self._own = None


def _append(batch: BatchBuilder, row: Row) -> bool:
    """Add a row to a batch, if there is room; the first is always taken."""
    key = None if row["key"] is None else row["key"].encode()
    headers = [("traceparent", row["traceparent"].encode())] if row["traceparent"] else []
    record = {"key": key, "value": row["body"], "timestamp": None, "headers": headers}
    return batch.append(**record) is not None
