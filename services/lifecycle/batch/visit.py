"""One customer in a batch, with the events that are new."""

from datetime import datetime
from typing import Self

import msgspec
from msgspec.structs import replace

from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import MERGES, SORT_KEY, Happening
from services.lifecycle.domain.state.merges import NO_MERGES, Ending, Merges
from services.lifecycle.events import read_way
from shared.events.envelope import Envelope
from shared.identities import Merge
from shared.stream.batch import Incoming, Portion


class Visit(msgspec.Struct):
    """One customer in a batch: `arrivals` are the new events, by their key.

    `merges` are those of the customer after this batch, `renewed` the events known already that
    have come by a newer merge, by their key. A customer who `stays` is neither parked nor merged,
    and its merges do not change. `released` means that an operator has asked to fold a parked
    customer.
    """

    portion: Portion
    entry: CustomerEntry
    arrivals: dict[int, Incoming] = {}
    stays: bool = True
    released: bool = False
    renewed: dict[int, Incoming] = {}
    merges: Merges = msgspec.field(default_factory=lambda: NO_MERGES)

    @classmethod
    def of(cls, portion: Portion, entry: CustomerEntry) -> Self:
        """Begin a visit to a customer."""
        merges = entry.merges
        return cls(
            portion, entry, stays=entry.parked is None and merges.into is None, merges=merges
        )

    def is_plain(self, incoming: Incoming, key: int) -> bool:
        """Is this a new event of the customer's own, but no merge, and does the customer stay?"""
        content = incoming.content
        return (
            self.stays
            and key not in self.entry.event_keys
            and key not in self.arrivals
            and content.__class__ is Happening
            and content.kind not in MERGES
            and incoming.event.mergedfrom is None
        )

    @property
    def is_moving(self) -> bool:
        """Are there merges to look at: past ones, or such as this batch makes or ends?"""
        return (
            self.merges is not self.entry.merges
            or self.entry.merges.into is not None
            or bool(self.renewed)
        )

    @property
    def only_forwards(self) -> bool:
        """Is the customer merged as before, so that new events are only stored and sent on?"""
        return self.merges is self.entry.merges and self.entry.merged_into is not None

    @property
    def is_empty(self) -> bool:
        """Has nothing come that changes anything?"""
        return not (
            self.arrivals or self.released or self.renewed or self.merges is not self.entry.merges
        )

    def take_ending(self, ending: Ending) -> None:
        """Take word that a merge is over; drop what this batch has brought by it."""
        self.merges = self.merges.with_ending(ending)
        self.stays = False
        self.arrivals = self._belonging(self.arrivals)
        self.renewed = self._belonging(self.renewed)

    def admits(self, event: Envelope) -> bool:
        """Does this event belong to the customer? Not if it has come by a merge that is over.

        Raises Poison if nothing says by which merges it has come.
        """
        return event.mergedfrom is None or self.merges.admits(self.entry.id, read_way(event))

    def take_merge(self, merge: Merge) -> None:
        """Take a merge or unmerge of the customer."""
        self.merges = self.merges.with_merge(merge)
        self.stays = False

    def reconsider(self) -> None:
        """Look again whether the customer's merge closes a circle."""
        self.merges = replace(self.merges)
        self.stays = False

    def happenings(self) -> list[Happening]:
        """The new events in the order of the fold."""
        found = [incoming.content for incoming in self.arrivals.values()]
        if len(found) > 1:
            found.sort(key=SORT_KEY)
        return found

    def _belonging(self, events: dict[int, Incoming]) -> dict[int, Incoming]:
        return {key: incoming for key, incoming in events.items() if self.admits(incoming.event)}


def is_due(customer: Customer, portion: Portion, until: datetime) -> bool:
    """Is the next deadline due by `until`, and not held back by an open import?"""
    at = customer.wakes_at
    return at is not None and at <= until and portion.due_after < at
