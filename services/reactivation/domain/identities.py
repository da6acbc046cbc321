"""Which ids are one customer, after all merges and unmerges that are known."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final


@dataclass(frozen=True, slots=True)
class Merger:
    """The shop says that `customer` is `into`, or, if that is None, that it is nobody else."""

    customer: str
    into: str | None
    time: datetime
    source: str
    id: str

    @property
    def key(self) -> tuple[datetime, bool, str, str, str]:
        """Its place among the others: an unmerge comes after the merges of its instant."""
        return self.time, self.into is None, self.source, self.id, self.customer


class Identities:
    """The customers that some ids have become.

    Of all mergers of an id the latest counts; one that would close a cycle never does.
    """

    def __init__(self, mergers: Collection[Merger]) -> None:
        self.merged: Final = frozenset(each.customer for each in mergers if each.into is not None)
        """All ids that were ever merged, even if they no longer are."""
        into: dict[str, str] = {}
        since: dict[str, datetime] = {}
        for merger in sorted(set(mergers), key=lambda each: each.key):
            if merger.into is None:
                into.pop(merger.customer, None)
            elif not _leads_to(merger.into, merger.customer, into):
                into[merger.customer] = merger.into
                since[merger.customer] = merger.time
        self._into = into
        self._since = since

    def survivor(self, id: str) -> str:
        """The id that stays of the customer whom this id belongs to."""
        return _end(id, self._into)

    def members(self, survivor: str) -> frozenset[str]:
        """All ids of a customer, with the one that stays; none for an id that does not stay."""
        if survivor in self._into:
            return frozenset()
        merged = {id for id in self._into if _end(id, self._into) == survivor}
        return frozenset({survivor, *merged})

    def merged_at(self, survivor: str) -> datetime | None:
        """The last merge between the ids of a customer."""
        times = [self._since[id] for id in self.members(survivor) if id in self._into]
        return max(times, default=None)

    @property
    def survivors(self) -> frozenset[str]:
        """All customers who consist of several ids."""
        return frozenset(_end(id, self._into) for id in self._into)


def _end(id: str, into: Mapping[str, str]) -> str:
    while id in into:
        id = into[id]
    return id


def _leads_to(id: str, other: str, into: Mapping[str, str]) -> bool:
    while id != other and id in into:
        id = into[id]
    return id == other
