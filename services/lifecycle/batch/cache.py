"""The customers that a worker keeps in memory, valid as long as it owns their partitions."""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Final

from services.lifecycle.batch import repository
from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.domain.edition import unknown_customer
from shared.stream.handler import Reader


class CustomerCache:
    """Entries by customer id, bounded in customers and in event identities."""

    def __init__(self, reader: Reader, *, customers: int, events: int) -> None:
        self._reader: Final = reader
        self._most_customers: Final = customers
        self._most_events: Final = events
        self._entries: dict[str, CustomerEntry] = {}
        self._events = 0

    def __getitem__(self, customer: str) -> CustomerEntry:
        return self._entries[customer]

    async def load(self, partitions: Mapping[str, int], *, known: int) -> None:
        """Load the customers that are missing, given the partition of each.

        A customer who is not stored is new, and knows the schedule up to number `known`.
        """
        missing = sorted(customer for customer in partitions if customer not in self._entries)
        if not missing:
            return
        stored = {
            entry.id: entry for entry in await repository.load_customers(self._reader, missing)
        }
        self._add(
            stored.get(customer)
            or CustomerEntry(customer, partitions[customer], unknown_customer(known))
            for customer in missing
        )

    def _add(self, entries: Iterable[CustomerEntry]) -> None:
        for entry in entries:
            self._entries[entry.id] = entry
            self._events += len(entry.event_keys)

    def add_events(self, entry: CustomerEntry, keys: Collection[int]) -> None:
        """Remember the identities of events that were new."""
        entry.event_keys.update(keys)
        self._events += len(keys)

    def remove_events(self, entry: CustomerEntry, keys: Collection[int]) -> None:
        """Forget the identities of events that do not belong to the customer any more."""
        entry.event_keys.difference_update(keys)
        self._events -= len(keys)

    @property
    def is_full(self) -> bool:
        """Is there more in memory than allowed?"""
        return len(self._entries) > self._most_customers or self._events > self._most_events

    def shrink(self) -> None:
        """Forget the older half.

        Call it only when nothing is being committed: the database must know what is forgotten.
        """
        for customer in list(islice(self._entries, (len(self._entries) + 1) // 2)):
            self._events -= len(self._entries.pop(customer).event_keys)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._events = 0
