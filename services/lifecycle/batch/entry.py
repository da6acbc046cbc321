"""One customer in memory, and the keys of all its stored events."""

from dataclasses import dataclass, field
from datetime import datetime

from services.lifecycle.domain.state.customer import Customer
from shared.events.envelope import Envelope
from shared.ids import hash64


@dataclass(slots=True)
class CustomerEntry:
    """One customer of a partition, as the worker last folded it.

    - `armed` is the instant in the timer table, never later than the state's earliest deadline.
    - `parked` is the reason why the fold has failed, if it has.
    - `event_keys` are the keys of all events known, `order_keys` those of the orders they name.
    - `key` is the hash of the customer's id.
    """

    id: str
    partition: int
    customer: Customer = field(default_factory=Customer)
    version: int = 0
    parked: str | None = None
    merged_into: str | None = None
    armed: datetime | None = None
    event_keys: set[int] = field(default_factory=set)
    order_keys: set[int] = field(default_factory=set)
    key: int = field(init=False)

    def __post_init__(self) -> None:
        self.key = hash64(self.id)


def event_key(event: Envelope) -> int:
    """Hash what identifies an event of a customer: source and id.

    Two people may have events with the same source and id. So the identity of an event that a
    merge brought over begins with the customer that it was sent for.
    """
    origin = event.mergedfrom
    if origin is None:
        return hash64(f"{event.source}\x1f{event.id}")
    return hash64(f"{origin}\x1f{event.source}\x1f{event.id}")
