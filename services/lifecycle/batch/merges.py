"""Merging: what is known of an old id goes on to the customer who stays, as events of that customer."""

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from shared.events.envelope import Envelope, encode
from shared.ids import partition_of
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.outgoing.outbox import Message

Next = Callable[[str], Awaitable[str | None]]
"""Whom a customer is merged into, as far as known."""


def forwarded(event: Envelope, into: str, partitions: int) -> Message:
    """The event under the customer who stays; source and id are kept, so that forwarding again changes nothing."""
    moved = replace(event, subject=into, mergedfrom=event.mergedfrom or event.subject)
    return Message(
        partition_of(into, partitions), CUSTOMER_EVENTS, into, encode(moved), event.traceparent
    )


async def closes_cycle(customer: str, into: str, merged_into: Next) -> bool:
    """Does the chain that begins with `into` lead back to the customer?"""
    end: str | None = into
    while end is not None and end != customer:
        end = await merged_into(end)
    return end is not None
