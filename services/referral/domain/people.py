"""People: which ids are one person, as merges and unmerges have it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class MergeDecision:
    """What an event says of an id: it was merged `into` another one, or (None) unmerged again."""

    time: datetime
    source: str
    event: str
    into: str | None

    @property
    def key(self) -> tuple[datetime, bool, str, str]:
        """Of all decisions on an id the greatest holds; an unmerge follows a merge it ties with."""
        return self.time, self.into is None, self.source, self.event


class People:
    """The persons behind some ids: the survivor of each is the end of its chain of merges.

    It knows nothing of ids that are not connected to those it was made for.
    """

    __slots__ = ("_decided_at", "_members", "_survivors")

    def __init__(self, decisions: Mapping[str, MergeDecision]) -> None:
        self._survivors = {id: _end_of_chain(decisions, id) for id in decisions}
        self._members: dict[str, set[str]] = defaultdict(set)
        self._decided_at: dict[str, datetime] = {}
        for id, survivor in self._survivors.items():
            self._members[survivor].add(id)
            at = decisions[id].time
            self._decided_at[survivor] = max(at, self._decided_at.get(survivor, at))

    def survivor(self, id: str) -> str:
        """The id that this one is merged into at last; itself if it is not merged."""
        return self._survivors.get(id, id)

    def is_merged(self, id: str) -> bool:
        """Does another id stand for this one?"""
        return self.survivor(id) != id

    def members(self, id: str) -> frozenset[str]:
        """All ids of the same person, this one among them."""
        survivor = self.survivor(id)
        return frozenset((*self._members.get(survivor, ()), survivor))

    def decided_at(self, id: str) -> datetime | None:
        """When an id of the same person was merged or unmerged last."""
        return self._decided_at.get(self.survivor(id))

    def all_members(self, ids: Iterable[str]) -> set[str]:
        """All ids of these persons."""
        return {member for id in ids for member in self.members(id)}


def take_decision(decisions: dict[str, MergeDecision], id: str, new: MergeDecision) -> bool:
    """Let a decision hold, unless a later one does or it would close a cycle; True if it holds."""
    known = decisions.get(id)
    if known is not None and known.key >= new.key:
        return False
    if new.into is not None and id in chain(decisions, new.into):
        return False
    decisions[id] = new
    return True


def chain(decisions: Mapping[str, MergeDecision], id: str) -> Iterator[str]:
    """The ids from this one to the survivor."""
    at: str | None = id
    while at is not None:
        yield at
        decision = decisions.get(at)
        at = decision.into if decision else None


def _end_of_chain(decisions: Mapping[str, MergeDecision], id: str) -> str:
    *_, end = chain(decisions, id)
    return end
