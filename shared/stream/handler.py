"""What a service brings to the batch loop: the topics it consumes, and its handling of a batch."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from shared.database.connection import Tx
from shared.events.envelope import Envelope
from shared.stream.batch import Batch, Read

W = TypeVar("W")
Reader = Any
"""An asyncpg connection for reads outside the batch's transaction."""


class Handler(Protocol[W]):
    """A service's part of the loop; a batch's `prepare` overlaps with `apply` of the one before."""

    async def prepare(self, batch: Batch) -> W:
        """Load what is missing and fold in memory; may reject records or leave ticks unfinished."""

    async def apply(self, work: W, tx: Tx) -> None:
        """Write rows and outgoing messages in the loop's transaction."""

    def customers(self, work: W) -> Collection[str]:
        """Return the customers of whom `apply` would write something.

        Those whose data the database refuses come back in `Batch.refused`, to be parked.
        """

    def forget(self) -> None:
        """Drop everything in memory: ownership has changed."""

    async def pending_work(self) -> Collection[int]:
        """Return the partitions that have work although no records arrive.

        Called once a second, and after each batch while there is such work.
        """


def as_is(_: str, event: Envelope) -> object:
    """Read every event as its envelope."""
    return event


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service consumes; in log time its clock is the least tick of `tick_topics`.

    `archive` keeps some of what the relay has published (shared/stream/outgoing/relay.py).
    """

    service: str
    topics: tuple[str, ...]
    tick_topics: tuple[str, ...]
    read: Read = as_is
    archive: str | None = None
