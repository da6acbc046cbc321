"""Ids that merge and part over a network that delays, shuffles and repeats; and the plain truth."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

from services.lifecycle.domain.state.merges import (
    NO_MERGES,
    Ending,
    Hop,
    MergeKey,
    Merges,
    Way,
    endings,
    is_newer,
)


class Told(NamedTuple):
    """A merge of `customer` (into None: an unmerge) at a second."""

    customer: str
    second: float
    into: str | None
    id: str = ""

    @property
    def key(self) -> MergeKey:
        instant = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.second)
        return instant, self.into is None, "/shop", self.id


class Copy(NamedTuple):
    """An event sent for `origin`, and the way it has come."""

    origin: str
    id: str
    way: Way = ()


Letter: TypeAlias = Told | Copy | Ending


def hop_of(old: str) -> Hop:
    """The hop by which the events of an old id go on."""
    return merged_into("anybody").next_hop(old)


def merged_into(into: str | None) -> Merges:
    """The merges of an id that is merged into another; of one that never was (None)."""
    return NO_MERGES if into is None else NO_MERGES.decided(Told("", 0, into, "m").key, into)


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
    accepted: list[Told] = field(default_factory=list)

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
        new: dict[tuple[str, str], Way] = {}
        for letter in letters:
            if isinstance(letter, Ending):
                node.merges = node.merges.heard(letter)
            elif isinstance(letter, Told):
                self._decide(node, letter)
            else:
                identity = letter.origin, letter.id
                known = new.get(identity, node.events.get(identity))
                if known is None or is_newer(letter.way, known):
                    new[identity] = letter.way
        after = node.merges
        events = node.events | new
        node.events = {one: way for one, way in events.items() if after.admits(me, way)}
        for to, ending in endings(me, before, after):
            self.post(to, ending)
        if after.into is None:
            return
        again = new if after.merge == before.merge else node.events
        for origin, id in [one for one in node.events if one in again]:
            way = (*node.events[origin, id], after.next_hop(me))
            self.post(after.into, Copy(origin, id, way))

    def _decide(self, node: Node, told: Told) -> None:
        would_decide = told.into is not None and node.merges.decides(told.key)
        if would_decide and told.customer in chain(told.into or "", self.into):
            return
        node.merges = node.merges.decided(told.key, told.into)
        self.accepted.append(told)

    def into(self, customer: str) -> str | None:
        return self.nodes[customer].merges.into


def chain(customer: str, into: Callable[[str], str | None]) -> list[str]:
    """The ids from `customer` to the end of its merges."""
    found = [customer]
    while (following := into(found[-1])) is not None:
        found.append(following)
    return found


def plain_target(accepted: Iterable[Told]) -> Callable[[str], str | None]:
    """Into whom an id is merged: what the latest of its merges and unmerges says."""
    latest: dict[str, Told] = {}
    for told in sorted(accepted, key=lambda told: told.key):
        latest[told.customer] = told
    return lambda customer: latest[customer].into if customer in latest else None
