"""Who is who: which ids are one customer, after all merges and unmerges that are known.

Of all merges and unmerges of an id the latest holds. Where merges lead round in a circle, its ids
are one customer all the same: the latest of its merges is not followed, and its id stays. So the
answer depends on what was said, and not on when it became known.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

from shared.events.envelope import Envelope
from shared.events.payload import Instant, MergeData, payload_decoder

MergeKey: TypeAlias = tuple[datetime, bool, str, str]
"""Sorts the merges of an id: (time, is it an unmerge?, source, id)."""

_decode: Final = payload_decoder(MergeData)


class Merge(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The shop says that `customer` is `into` or, if that is None, nobody else."""

    customer: str
    into: str | None
    time: Instant
    source: str
    id: str

    @property
    def key(self) -> MergeKey:
        """Its place among those of the customer: an unmerge comes after merges of its instant."""
        return self.time, self.into is None, self.source, self.id

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two of them the same one."""
        return self.customer, self.source, self.id

    @property
    def is_of_itself(self) -> bool:
        """Is an id merged into itself? Such a merge says nothing."""
        return self.into == self.customer


class Identities:
    """The customers that some ids have become; ids that no merge names are customers by themselves.

    It knows nothing of ids that are not connected with those whose merges it was made of.
    """

    __slots__ = ("_changed_at", "_followed", "_members", "_survivors", "merged")

    def __init__(self, merges: Iterable[Merge] = ()) -> None:
        by_customer = _by_customer(merges)
        holding = {id: merge for id, own in by_customer.items() if (merge := holding_merge(own))}
        self.merged: Final = frozenset(
            id for id, own in by_customer.items() if any(merge.into for merge in own)
        )
        """All ids that were ever merged, even if they no longer are."""
        unfollowed = {closing_merge(circle).customer for circle in _circles(holding)}
        self._followed = {id: merge for id, merge in holding.items() if id not in unfollowed}
        self._survivors = {id: self._end(id) for id in by_customer}
        self._members: defaultdict[str, set[str]] = defaultdict(set)
        self._changed_at: dict[str, datetime] = {}
        for id, own in by_customer.items():
            survivor = self._survivors[id]
            self._members[survivor].add(id)
            at = max(merge.time for merge in own)
            self._changed_at[survivor] = max(at, self._changed_at.get(survivor, at))

    def survivor(self, id: str) -> str:
        """The id that stays of the customer whom this id belongs to."""
        return self._survivors.get(id, id)

    def is_merged(self, id: str) -> bool:
        """Does another id stand for this one?"""
        return id in self._followed

    def members(self, id: str) -> frozenset[str]:
        """All ids of the customer whom this id belongs to, itself among them."""
        survivor = self.survivor(id)
        return frozenset((survivor, *self._members.get(survivor, ())))

    def all_members(self, ids: Iterable[str]) -> set[str]:
        """All ids of these customers."""
        return {member for id in ids for member in self.members(id)}

    def merged_at(self, id: str) -> datetime | None:
        """The last merge that holds between the ids of this id's customer."""
        members = self.members(id)
        times = (self._followed[member].time for member in members if member in self._followed)
        return max(times, default=None)

    def changed_at(self, id: str) -> datetime | None:
        """When an id of the same customer was merged or unmerged last."""
        return self._changed_at.get(self.survivor(id))

    @property
    def survivors(self) -> frozenset[str]:
        """All customers who consist of several ids."""
        return frozenset(self._survivors[id] for id in self._followed)

    def _end(self, id: str) -> str:
        end: str | None = id
        while end is not None:
            id = end
            merge = self._followed.get(id)
            end = merge.into if merge else None
        return id


def read_merge(event: Envelope) -> Merge:
    """Return what `customer.merged` or `customer.unmerged` says."""
    into = None if event.type == "customer.unmerged" else _decode(event.data).into
    return Merge(event.subject, into, event.time, event.source, event.id)


def holding_merge(merges: Iterable[Merge]) -> Merge | None:
    """The merge of one id that holds; None if it is unmerged, or never was merged.

    It is the first of an unbroken row into the same id: a further one into it changes nothing.
    """
    holding: Merge | None = None
    for merge in sorted(merges, key=lambda each: (each.key, each.into or "")):
        if merge.into is None:
            holding = None
        elif not merge.is_of_itself and (holding is None or holding.into != merge.into):
            holding = merge
    return holding


def closing_merge(circle: Collection[Merge]) -> Merge:
    """The merge of a circle that is not followed: the latest."""
    return max(circle, key=lambda merge: (merge.key, merge.customer))


def new_merges(known: Iterable[Merge], told: Iterable[Merge]) -> list[Merge]:
    """Those told that are not known; of two with one identity the first counts."""
    seen = {merge.identity for merge in known}
    found: list[Merge] = []
    for merge in told:
        if merge.identity not in seen:
            seen.add(merge.identity)
            found.append(merge)
    return found


def _by_customer(merges: Iterable[Merge]) -> dict[str, list[Merge]]:
    found: dict[str, list[Merge]] = {}
    for merge in merges:
        if not merge.is_of_itself:
            found.setdefault(merge.customer, []).append(merge)
    return found


def _circles(holding: Mapping[str, Merge]) -> Iterator[list[Merge]]:
    """The circles that these merges, one of each id, lead round in."""
    seen: set[str] = set()
    for start in holding:
        path: list[Merge] = []
        merge = holding.get(start)
        while merge is not None and merge.customer not in seen:
            seen.add(merge.customer)
            path.append(merge)
            merge = holding.get(merge.into or "")
        if merge in path:
            yield path[path.index(merge) :]
