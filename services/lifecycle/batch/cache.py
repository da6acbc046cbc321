"""What the owner of a partition remembers: states and known events of customers, true as long as its epoch holds."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from services.lifecycle.domain.state.customer import Customer
from shared.ids import narrow


@dataclass(slots=True)
class Entry:
    """One customer. `armed` is the instant in the timer table, never later than the state's earliest deadline.

    `known` are the identities of its events, `orders` the (narrow) keys of the orders that they name;
    `key` is its own.
    """

    id: str
    partition: int
    customer: Customer = field(default_factory=Customer)
    version: int = 0
    parked: str | None = None
    merged_into: str | None = None
    armed: datetime | None = None
    known: set[int] = field(default_factory=set)
    orders: set[int] = field(default_factory=set)
    key: int = field(init=False)

    def __post_init__(self) -> None:
        self.key = narrow(self.id)


class Memory:
    """Entries by customer id, bounded in customers and in event identities."""

    def __init__(self, *, customers: int, events: int) -> None:
        self._customers = customers
        self._events = events
        self._entries: dict[str, Entry] = {}
        self._known = 0

    def __getitem__(self, customer: str) -> Entry:
        return self._entries[customer]

    def missing(self, customers: Iterable[str]) -> list[str]:
        """Those of the customers that must be loaded, in key order."""
        return sorted(customer for customer in set(customers) if customer not in self._entries)

    def add(self, entries: Iterable[Entry]) -> None:
        """Remember entries just loaded or made."""
        for entry in entries:
            self._entries[entry.id] = entry
            self._known += len(entry.known)

    def learn(self, entry: Entry, keys: Collection[int]) -> None:
        """Remember identities of events that were new."""
        entry.known.update(keys)
        self._known += len(keys)

    @property
    def full(self) -> bool:
        """Is there more in memory than allowed?"""
        return len(self._entries) > self._customers or self._known > self._events

    def shrink(self) -> None:
        """Forget the older half. Only when nothing is being committed: the database must know what is forgotten."""
        for customer in list(islice(self._entries, (len(self._entries) + 1) // 2)):
            self._known -= len(self._entries.pop(customer).known)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._known = 0
