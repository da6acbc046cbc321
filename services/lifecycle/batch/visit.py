"""A batch while it is being folded: the visits of its customers, and the rows and messages that come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from services.lifecycle.batch.cache import Entry
from services.lifecycle.batch.recorder import Recorder
from services.lifecycle.batch.repository import CustomerRow, EventRow, Rearming, Relabelled
from services.lifecycle.domain.state.happenings import SORT_KEY, EventKind, Happening
from services.lifecycle.events import RELEASED
from shared.stream.batch import Incoming, Portion
from shared.stream.outgoing.outbox import Message

_MERGED: Final = EventKind.MERGED


class Visit(msgspec.Struct):
    """One customer's new events in a batch, by identity.

    `merger` is the event that merges the customer into another; what comes after it goes on at once. A customer who
    `stays` is neither merged nor parked.
    """

    portion: Portion
    entry: Entry
    arrivals: dict[int, Incoming] = {}
    stays: bool = True
    released: bool = False
    merger: Incoming | None = None

    @property
    def into(self) -> str | None:
        """Whom this batch merges the customer into."""
        return None if self.merger is None else self.merger.content.content.into

    def is_plain(self, content: Any, key: int) -> bool:
        """Is this event new, and does it concern nothing but the history of a customer who is here to stay?"""
        return (
            self.stays
            and key not in self.entry.known
            and key not in self.arrivals
            and content is not RELEASED
            and content.kind is not _MERGED
        )

    def happenings(self) -> list[Happening]:
        """The new events in the order of the fold."""
        found = [incoming.content for incoming in self.arrivals.values()]
        if len(found) > 1:
            found.sort(key=SORT_KEY)
        return found

    def repeats_order(self, happenings: Sequence[Happening]) -> bool:
        """Does one of them name an order that another event has named? A chance collision costs a recompute."""
        if len(happenings) == 1:
            return happenings[0].order_key in self.entry.orders
        keys = [happening.order_key for happening in happenings if happening.order_key is not None]
        return not self.entry.orders.isdisjoint(keys) or (
            len(keys) > 1 and len(set(keys)) < len(keys)
        )


@dataclass(slots=True)
class Work:
    """What one batch writes. `customers` are taken from `touched` at the end: the next batch changes the entries.

    `accounts` are what kinds of account some customers had before the batch, of whom transitions were stored then."""

    recorder: Recorder
    portions: Mapping[int, Portion]
    touched: dict[str, Entry] = field(default_factory=dict)
    customers: list[CustomerRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    timers: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    rearmed: dict[int, Rearming] = field(default_factory=dict)
    sightings: set[int] = field(default_factory=set)
    accounts: dict[str, str | None] = field(default_factory=dict)
    relabelled: list[Relabelled] = field(default_factory=list)
    retold: list[tuple[int, int]] = field(default_factory=list)
    merged: dict[str, str] = field(default_factory=dict)
    onward: list[Message] = field(default_factory=list)
    ticks: list[Message] = field(default_factory=list)

    def arm(self, entry: Entry, *, exactly: bool = False) -> None:
        """Keep the timer no later than the earliest deadline; it moves back only when it goes off (`exactly`).

        So a customer who buys often costs one timer a term, not one an order.
        """
        due = None if entry.parked else entry.customer.wakes_at
        if due is None:
            if exactly and entry.armed is not None:
                self._set(entry, None)
        elif entry.armed is None or due < entry.armed or (exactly and due != entry.armed):
            self._set(entry, due)

    def relabel(self) -> None:
        """Whose transitions are to be counted under another kind of account."""
        for customer in sorted(self.accounts):
            entry, before = self.touched[customer], self.accounts[customer]
            now = entry.customer.account
            if now != before:
                self.relabelled.append(
                    Relabelled(customer, entry.partition, before or "", now or "")
                )

    def _set(self, entry: Entry, due: datetime | None) -> None:
        self.timers[entry.id] = entry.partition, due
        entry.armed = due
