"""Kafka producers: acknowledged by all replicas, idempotent, large enough for any event."""

from typing import Final

from aiokafka import AIOKafkaProducer

MAX_EVENT: Final = 5 * 1024 * 1024 - 16 * 1024
"""Most bytes of a record's value: `max.message.bytes` of the topics less key, headers, framing."""
_MAX_REQUEST: Final = 6 * 1024 * 1024
_MAX_BATCH: Final = 256 * 1024


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
