"""Ids that merge and part over a network that delays, shuffles and repeats; and the plain truth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from services.lifecycle.domain.state.merges import (
    NO_MERGES,
    Ending,
    Hop,
    Merges,
    Way,
    endings,
    is_newer,
)
from shared.identities import Merge, closing_merge


class Told(NamedTuple):
    """A merge of `customer` (into None: an unmerge) at a second."""

    customer: str
    second: float
    into: str | None
    id: str = ""

    @property
    def merge(self) -> Merge:
        instant = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.second)
        return Merge(self.customer, self.into, instant, "/shop", self.id)


class Copy(NamedTuple):
    """An event sent for `origin`, and the way it has come."""

    origin: str
    id: str
    way: Way = ()


class CircleChanged(NamedTuple):
    """Word that a circle in which an id is, or was, has changed."""


Letter: TypeAlias = Told | Copy | Ending | CircleChanged


def hop_of(old: str) -> Hop:
    """The hop by which the events of an old id go on."""
    return merged_into("anybody").next_hop(old)


def merged_into(into: str | None) -> Merges:
    """The merges of an id that is merged into another; of one that never was (None)."""
    return NO_MERGES if into is None else NO_MERGES.with_merge(Told("", 0, into, "m").merge)


@dataclass
class Node:
    """One id: what it knows of merges, and the ways of the events that it has stored."""

    merges: Merges = field(default_factory=Merges)
    events: dict[tuple[str, str], Way] = field(default_factory=dict)


@dataclass
class MergeNetwork:
    """All ids, and the letters under way to each."""

    nodes: dict[str, Node]
    waiting: list[tuple[str, Letter]] = field(default_factory=list)
    sent: list[tuple[str, Letter]] = field(default_factory=list)
    accepted: list[Merge] = field(default_factory=list)

    def post(self, to: str, letter: Letter) -> None:
        self.waiting.append((to, letter))
        self.sent.append((to, letter))

    def deliver(self, places: Sequence[int]) -> None:
        """Let some of the waiting letters arrive; those for one id are one batch."""
        batches: dict[str, list[Letter]] = {}
        for place in places:
            if self.waiting:
                to, letter = self.waiting.pop(place % len(self.waiting))
                batches.setdefault(to, []).append(letter)
        for to, letters in batches.items():
            self.receive(to, letters)

    def receive(self, me: str, letters: Iterable[Letter]) -> None:
        """Take a batch as the worker does: read all of it, then forward and say what has ended."""
        node = self.nodes[me]
        before = node.merges
        circle = self.circle(me)
        new = self._read(me, node, letters)
        self._judge_circle(me, before, circle)
        after = node.merges
        events = node.events | new
        node.events = {one: way for one, way in events.items() if after.admits(me, way)}
        for to, ending in endings(me, before, after):
            self.post(to, ending)
        if after.into is None:
            return
        again = new if after.merge_key == before.merge_key else node.events
        for origin, id in [one for one in node.events if one in again]:
            way = (*node.events[origin, id], after.next_hop(me))
            self.post(after.into, Copy(origin, id, way))

    def _read(self, me: str, node: Node, letters: Iterable[Letter]) -> dict[tuple[str, str], Way]:
        """Take what letters say of merges; returns the events in them that are new, or renewed."""
        new: dict[tuple[str, str], Way] = {}
        for letter in letters:
            if isinstance(letter, Ending):
                node.merges = node.merges.with_ending(letter)
            elif isinstance(letter, Told):
                self._tell(node, letter.merge)
            elif isinstance(letter, Copy) and node.merges.admits(me, letter.way):
                identity = letter.origin, letter.id
                known = new.get(identity, node.events.get(identity))
                if known is None or is_newer(letter.way, known):
                    new[identity] = letter.way
        return new

    def _tell(self, node: Node, merge: Merge) -> None:
        if not merge.is_of_itself and merge not in node.merges.own:
            node.merges = node.merges.with_merge(merge)
            self.accepted.append(merge)

    def _judge_circle(self, me: str, before: Merges, circle: Sequence[Merge]) -> None:
        node = self.nodes[me]
        now = self.circle(me)
        closes = bool(now) and closing_merge(now).customer == me
        node.merges = replace(node.merges, closes=closes)
        if node.merges.own != before.own:
            for other in {merge.customer for merge in (*circle, *now)} - {me}:
                self.post(other, CircleChanged())

    def circle(self, me: str) -> list[Merge]:
        """The merges that lead from an id round to it again; none if they do not."""
        path: dict[str, Merge] = {}
        id: str | None = me
        while id is not None and id not in path:
            merge = self.nodes[id].merges.holding
            if merge is not None:
                path[id] = merge
            id = None if merge is None else merge.into
        return list(path.values()) if id == me else []


def way_of(id: str, into: Mapping[str, str | None]) -> list[str]:
    """The ids from this one to the end of its merges, or once round a circle."""
    found = [id]
    while (following := into[found[-1]]) is not None and following not in found:
        found.append(following)
    return found
