"""Publishing for a process that must answer: acknowledged in time, or an error to retry after."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared import metrics
from shared.clock import monotonic
from shared.error_texts import describe
from shared.errors import Retryable
from shared.kafka.producer import close, create_producer

log = structlog.get_logger()


class KafkaMessage(NamedTuple):
    """One record to publish."""

    partition: int
    key: bytes | None
    value: bytes
    traceparent: bytes | None = None


class Publisher:
    """Publishes to one topic with a known number of partitions.

    Connects when it is first needed, and again after a failure.
    """

    def __init__(
        self, bootstrap: str, *, client_id: str, topic: str, partitions: int, timeout_s: float
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._topic = topic
        self._partitions = partitions
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None
        self._retired: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def publish(self, messages: Sequence[KafkaMessage]) -> None:
        """Return once all replicas have acknowledged all messages, in order by partition.

        Raises Retryable otherwise; some of the messages may be in the log all the same.
        """
        started = monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send(await self._connected(), messages)
        except TimeoutError:
            raise Retryable(f"Kafka did not acknowledge within {self._timeout_s:g} s") from None
        metrics.PUBLISH_SECONDS.observe(monotonic() - started)

    async def check(self) -> None:
        """Raise Retryable unless Kafka answers now and the topic has its partitions."""
        producer = await self._connected()
        try:
            await producer.client.fetch_all_metadata()
        except KafkaError as error:
            raise Retryable(f"Kafka cannot be reached: {describe(error)}") from error
        self._check_partitions(producer)

    async def close(self) -> None:
        """Flush and disconnect, within a bound."""
        async with self._connecting:
            await self._drop()

    async def _send(self, producer: AIOKafkaProducer, messages: Sequence[KafkaMessage]) -> None:
        acks: list[asyncio.Future[object]] = []
        try:
            for partition, key, value, trace in messages:
                headers = [("traceparent", trace)] if trace else None
                acks.append(
                    await producer.send(
                        self._topic, value, key=key, partition=partition, headers=headers
                    )
                )
            await asyncio.gather(*acks)
        except KafkaError as error:
            # Its sequence may have a gap: only a new producer helps.
            if self._producer is producer:
                self._retire()
            log.warning("publish.failed", error=describe(error))
            raise Retryable(f"Kafka refused: {describe(error)}") from error
        finally:
            for ack in acks:
                ack.add_done_callback(_discard)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is not None:
            return self._producer
        async with self._connecting:
            if self._producer is None:
                self._producer = await self._connect()
            return self._producer

    async def _connect(self) -> AIOKafkaProducer:
        await self._drop()
        producer = create_producer(self._bootstrap, client_id=self._client_id)
        try:
            await producer.start()
            await producer.client.set_topics([self._topic])
            self._check_partitions(producer)
        except (KafkaError, Retryable) as error:
            await producer.stop()
            raise Retryable(f"Kafka cannot be used: {describe(error)}") from error
        except BaseException:
            await producer.stop()
            raise
        return producer

    def _check_partitions(self, producer: AIOKafkaProducer) -> None:
        partitions = producer.client.cluster.partitions_for_topic(self._topic) or set()
        if len(partitions) != self._partitions:
            raise Retryable(
                f"topic {self._topic} has {len(partitions)} partitions "
                f"instead of {self._partitions}"
            )

    def _retire(self) -> None:
        self._retired = self._producer
        self._producer = None

    async def _drop(self) -> None:
        old = self._retired or self._producer
        self._retired = None
        self._producer = None
        if old:
            await close(old)


def _discard(ack: "asyncio.Future[object]") -> None:
    """Take the exception of an acknowledgement that nobody waits for any more."""
    if not ack.cancelled():
        ack.exception()
