"""Merges as one id sees them: where its events go, and which events of other ids belong to it.

Which id stays is said by `shared.identities`.

Every id judges only its own merges and unmerges: the latest decides. Its events go on from id to
id, each adding a hop, until they reach one that is not merged. When a merge ends, an `Ending`
follows the same way, and each id drops what had come by that merge. Events and endings may arrive
in any order and more than once: all that counts in the end is which hops are over.

Events follow merges round in a circle too, once, so that all its ids store them. The id whose
merge closes the circle keeps its history, as one that is not merged.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from services.lifecycle.domain.state.happenings import Happening, MergeTarget
from shared.events.payload import CustomerName, Instant, Name
from shared.identities import Merge, MergeKey, holding_merge


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


class LatestMerge(msgspec.Struct, frozen=True):
    """The latest merge or unmerge of an id: `into` is None if the id stands for itself.

    `merge_key` is that of the first of an unbroken row of merges into the same id: a further one
    into it changes nothing, and the hops keep their key.
    """

    key: MergeKey
    into: str | None = None
    merge_key: MergeKey | None = None


class Ending(msgspec.Struct, frozen=True):
    """Word that all merges of a customer before `key` are over."""

    customer: str
    key: MergeKey


class Merges(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one id knows of merges: its own latest one, and the endings of others that it has heard.

    All merges of another customer before the key in `ended` are over. `own` are all merges and
    unmerges of this id; `closes` says that the one that holds closes a circle.
    """

    latest: LatestMerge | None = None
    ended: dict[str, MergeKey] = {}
    own: tuple[Merge, ...] = ()
    closes: bool = False

    @property
    def into(self) -> str | None:
        """The id to which the events of this one go on; None if to none."""
        return None if self.latest is None else self.latest.into

    @property
    def merged_into(self) -> str | None:
        """The id that stands for this one; None if it stands for itself."""
        return None if self.closes else self.into

    @property
    def holding(self) -> Merge | None:
        """The merge of this id that holds."""
        return holding_merge(self.own)

    @property
    def merge_key(self) -> MergeKey | None:
        """The key of the merge by which this id forwards its events; None if it does not."""
        return None if self.latest is None else self.latest.merge_key

    def with_merge(self, merge: Merge) -> "Merges":
        """Take a merge or unmerge of this id; the latest decides."""
        known = replace(self, own=(*self.own, merge))
        if self.latest is not None and merge.key <= self.latest.key:
            return known
        key = None
        if merge.into is not None:
            key = self.merge_key if merge.into == self.into else merge.key
        return replace(known, latest=LatestMerge(merge.key, merge.into, key))

    def with_ending(self, ending: Ending) -> "Merges":
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
        assert self.merge_key is not None  # noqa: S101
        time, _, source, id = self.merge_key
        return Hop(customer, time, source, id)


NO_MERGES: Final = Merges()
"""Of an id that was never merged, and into which nobody was."""


def is_newer(way: Way, other: Way) -> bool:
    """Is the first of two ways by which one event came to one id the later one?

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
    latest = after.latest
    if latest is not None and latest.merge_key != before.merge_key:
        yield into, Ending(customer, latest.key)
        return
    for other, key in after.ended.items():
        if before.ended.get(other) != key:
            yield into, Ending(other, key)


def merge_of(customer: str, happening: Happening) -> Merge:
    """Return what a merge or unmerge of the customer says."""
    details = happening.details
    into = details.into if isinstance(details, MergeTarget) else None
    return Merge(customer, into, happening.time, happening.source, happening.id)


def unmerges_of_nobody(merges: Iterable[Merge]) -> list[MergeKey]:
    """Return those unmerges of one id, in order, that came when it was not merged."""
    found: list[MergeKey] = []
    current: str | None = None
    for merge in sorted(merges, key=lambda merge: merge.key):
        if merge.into is None and current is None:
            found.append(merge.key)
        current = merge.into
    return found
