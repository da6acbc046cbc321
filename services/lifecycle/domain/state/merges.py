"""Merges as one id sees them: where its events go, and which events of other ids belong to it.

Every id judges only its own merges and unmerges: the latest decides. Its events go on from id to
id, each adding a hop, until they reach one that is not merged. When a merge ends, an `Ending`
follows the same way, and each id drops what had come by that merge. Events and endings may arrive
in any order and more than once: all that counts in the end is which hops are over.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from services.lifecycle.domain.state.happenings import Happening, MergeTarget
from shared.events.payload import CustomerName, Instant, Name

MergeKey: TypeAlias = tuple[datetime, bool, str, str]
"""Merges and unmerges of an id in the order of (time, is it an unmerge?, source, id)."""
Directive: TypeAlias = tuple[MergeKey, str | None]
"""The key of a merge or unmerge, and the id merged into (None: an unmerge)."""


class Hop(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One merge by which an event has come: of whom, and by which event."""

    customer: CustomerName
    time: Instant
    source: Name
    id: Name

    @property
    def key(self) -> MergeKey:
        """Where the merge stands among those of its customer."""
        return self.time, False, self.source, self.id


Way: TypeAlias = Sequence[Hop]
"""The hops of an event from the id that it was sent for; none for the id's own events."""


class Decision(msgspec.Struct, frozen=True):
    """The latest merge or unmerge of an id: `into` is None if the id stands for itself.

    `merge` is the first of an unbroken row of merges into the same id: a further one into it
    changes nothing, and the hops keep their key.
    """

    key: MergeKey
    into: str | None = None
    merge: MergeKey | None = None


class Ending(msgspec.Struct, frozen=True):
    """Word that all merges of a customer before `key` are over."""

    customer: str
    key: MergeKey


class Merges(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one id knows of merges: its own decision, and the endings of others that it has heard.

    All merges of another customer before the key in `ended` are over.
    """

    decision: Decision | None = None
    ended: dict[str, MergeKey] = {}

    @property
    def into(self) -> str | None:
        """The id into which this one is merged; None if into none."""
        return None if self.decision is None else self.decision.into

    @property
    def merge(self) -> MergeKey | None:
        """The merge by which this id forwards its events; None if it does not."""
        return None if self.decision is None else self.decision.merge

    def decides(self, key: MergeKey) -> bool:
        """Is a merge or unmerge with this key later than what has decided so far?"""
        return self.decision is None or key > self.decision.key

    def decided(self, key: MergeKey, into: str | None) -> "Merges":
        """Take a merge or unmerge; nothing changes if a later one has decided."""
        if not self.decides(key):
            return self
        merge = None
        if into is not None:
            merge = self.merge if into == self.into else key
        return replace(self, decision=Decision(key, into, merge))

    def heard(self, ending: Ending) -> "Merges":
        """Take word of an ending; nothing changes if it says nothing new."""
        known = self.ended.get(ending.customer)
        if known is not None and ending.key <= known:
            return self
        return replace(self, ended={**self.ended, ending.customer: ending.key})

    def admits(self, customer: str, way: Way) -> bool:
        """Does an event that came this way belong to `customer`, whose merges these are?

        Not if one of the merges is over, nor if it has been here before.
        """
        return not any(hop.customer == customer or self._is_over(hop) for hop in way)

    def _is_over(self, hop: Hop) -> bool:
        ended = self.ended.get(hop.customer)
        return ended is not None and hop.key < ended

    def next_hop(self, customer: str) -> Hop:
        """Return what `customer`, who is merged, adds to the way of an event."""
        assert self.merge is not None  # noqa: S101
        time, _, source, id = self.merge
        return Hop(customer, time, source, id)


NO_MERGES: Final = Merges()
"""Of an id that was never merged, and into which nobody was."""


def is_newer(way: Way, other: Way) -> bool:
    """Of two ways by which one event came to one id: is the first one the later?

    They part where an id was merged anew. Its earlier merge is over, although word of that may
    still be under way.
    """
    return [hop.key for hop in way] > [hop.key for hop in other]


def endings(customer: str, before: Merges, after: Merges) -> Iterator[tuple[str, Ending]]:
    """Yield what must be said, and to whom, when the merges of `customer` change.

    When its own merge ends, it says so to the id that had its events. Otherwise it passes on what
    it has heard.
    """
    into = before.into
    if into is None:
        return
    decision = after.decision
    if decision is not None and decision.merge != before.merge:
        yield into, Ending(customer, decision.key)
        return
    for other, key in after.ended.items():
        if before.ended.get(other) != key:
            yield into, Ending(other, key)


def directive_of(happening: Happening) -> Directive:
    """Return what a merge or unmerge says."""
    details = happening.details
    into = details.into if isinstance(details, MergeTarget) else None
    return (happening.time, into is None, happening.source, happening.id), into


def unmerges_of_nobody(directives: Iterable[Directive]) -> list[MergeKey]:
    """Find the unmerges of an id that was not merged at their place, in their order."""
    found: list[MergeKey] = []
    current: str | None = None
    for key, into in sorted(directives, key=lambda directive: directive[0]):
        if into is None and current is None:
            found.append(key)
        current = into
    return found
