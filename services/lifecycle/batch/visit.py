"""One customer in a batch, with the events that are new."""

from datetime import datetime
from typing import Any, Final

import msgspec

from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import SORT_KEY, EventKind, Happening
from services.lifecycle.events import RELEASED
from shared.stream.batch import Incoming, Portion

_MERGED: Final = EventKind.MERGED


class Visit(msgspec.Struct):
    """One customer in a batch: `arrivals` are the new events, by their key.

    `merger` is the event that merges the customer into another; what comes after it is forwarded
    at once. A customer who `stays` is neither merged nor parked. `released` means that an operator
    has asked to fold a parked customer.
    """

    portion: Portion
    entry: CustomerEntry
    arrivals: dict[int, Incoming] = {}
    stays: bool = True
    released: bool = False
    merger: Incoming | None = None

    @property
    def merges_into(self) -> str | None:
        """The customer into whom this batch merges this one."""
        return None if self.merger is None else self.merger.content.details.into

    def is_plain(self, content: Any, key: int) -> bool:
        """Is this event new, neither a merger nor a release, of a customer who stays?"""
        return (
            self.stays
            and key not in self.entry.event_keys
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


def is_due(customer: Customer, portion: Portion, until: datetime) -> bool:
    """Is the next deadline due by `until`, and not held back by an open import?"""
    at = customer.wakes_at
    return at is not None and at <= until and portion.due_after < at
