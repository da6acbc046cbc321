"""The outbox: messages written in the transaction of the change that they announce."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from shared.database.connection import Tx

_COLUMNS: Final = ("partition", "topic", "key", "body", "traceparent")


class Message(NamedTuple):
    """One record to publish: on the partition of its customer, with bytes that are ready."""

    partition: int
    topic: str
    key: str | None
    body: bytes
    traceparent: str | None = None


async def add(tx: Tx, messages: Sequence[Message]) -> None:
    """Write messages in the caller's transaction; the relay publishes them in this order."""
    if messages:
        await tx.copy_records_to_table("outbox", records=messages, columns=_COLUMNS)
