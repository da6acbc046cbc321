"""Kafka producers: acknowledged by all replicas, idempotent, large enough for any event."""

import asyncio
from typing import Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    BrokerResponseError,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnsupportedForMessageFormatError,
    kafka_errors,
)

log = structlog.get_logger()

MAX_EVENT: Final = 5 * 1024 * 1024 - 16 * 1024
"""Most bytes of a record's value: `max.message.bytes` of the topics less key, headers, framing."""
_MAX_REQUEST: Final = 6 * 1024 * 1024
_MAX_BATCH: Final = 256 * 1024
_CLOSE_S: Final = 2.0


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]  # aiokafka has no types
    """INVALID_RECORD, which aiokafka does not know."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The broker refuses the content of a record."


kafka_errors[InvalidRecordError.errno] = InvalidRecordError
REFUSALS: Final = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidRecordError,
    InvalidTimestampError,
    UnsupportedForMessageFormatError,
)
"""What Kafka answers to records that it will never take.

A batch that failed for good leaves a gap in the idempotent producer's sequence: only a new
producer helps.
"""


def create_producer(
    bootstrap: str, *, client_id: str, request_timeout_s: float = 10.0
) -> AIOKafkaProducer:
    """Return a producer that is not started yet.

    It does not linger: while one request is under way, the next batch fills by itself.
    """
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=_MAX_BATCH,
        max_request_size=_MAX_REQUEST,
        request_timeout_ms=int(request_timeout_s * 1000),
        retry_backoff_ms=100,
        metadata_max_age_ms=60_000,
    )


async def close(producer: AIOKafkaProducer) -> None:
    """Flush and disconnect, within a bound."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await producer.stop()
    except TimeoutError:
        log.warning("producer.abandoned", reason="what was pending could not be flushed")
        await producer.client.close()
