"""One customer in memory, and the keys of all its stored events."""

from dataclasses import dataclass, field
from datetime import datetime

from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.merges import NO_MERGES, Merges
from shared.events.envelope import Envelope
from shared.ids import event_hash, hash64


@dataclass(slots=True)
class CustomerEntry:
    """One customer of a partition, as the worker last folded it.

    - `armed` is the instant in the timer table, never later than the state's earliest deadline.
    - `parked` is the reason why the fold has failed, if it has.
    - `event_keys` are the keys of all events known, `order_keys` those of the orders they name.
    - `merges` says where the events go, and which of those that merges bring belong here.
    - `key` is the hash of the customer's id.
    """

    id: str
    partition: int
    customer: Customer = field(default_factory=Customer)
    version: int = 0
    parked: str | None = None
    merges: Merges = NO_MERGES
    armed: datetime | None = None
    event_keys: set[int] = field(default_factory=set)
    order_keys: set[int] = field(default_factory=set)
    key: int = field(init=False)

    def __post_init__(self) -> None:
        self.key = hash64(self.id)

    @property
    def merged_into(self) -> str | None:
        """The customer who stands for this one; None if nobody does."""
        return self.merges.merged_into


def event_key(event: Envelope) -> int:
    """Hash what identifies an event of a customer."""
    return identity_hash(event.source, event.id, event.mergedfrom)


def identity_hash(source: str, id: str, origin: str | None) -> int:
    """Hash source and id, and the customer that an event was sent for if a merge brought it over.

    Two people may have events with the same source and id.
    """
    if origin is None:
        return event_hash(source, id)
    return hash64(f"{origin}\x1f{source}\x1f{id}")
