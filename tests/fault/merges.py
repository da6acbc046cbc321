"""Merges of customers in the traffic, and whose an event is in the end."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from shared.events.envelope import Envelope
from shared.events.ranks import rank_of
from tests.support.builders import event

MERGED: Final = "customer.merged"
UNMERGED: Final = "customer.unmerged"
UNDONE: Final = 0.5
AGAIN: Final = 0.4


def merges_among(
    rnd: random.Random, customers: Sequence[str], begin: datetime, days: float, *, number: int
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Merges into later customers, so that chains arise and cycles do not.

    Half of them are taken back, and some of these are made again, perhaps into another; all of it
    within so many days from `begin`.
    """
    for old in rnd.sample(customers[:-1], number):
        others = customers[customers.index(old) + 1 :]
        at = rnd.uniform(days / 4, days / 2)
        yield at, event(old, MERGED, begin + timedelta(days=at), into=rnd.choice(others))
        if rnd.random() < UNDONE:
            at += rnd.choice((0, rnd.uniform(0, days / 4)))
            yield at, event(old, UNMERGED, begin + timedelta(days=at))
            if rnd.random() < AGAIN:
                at += rnd.uniform(0, days / 4)
                yield at, event(old, MERGED, begin + timedelta(days=at), into=rnd.choice(others))


def survivors(events: Iterable[Envelope]) -> dict[str, str]:
    """Into whom ids are merged in the end: of all merges and unmerges of one the latest decides."""
    into = {id: _into(said) for id, said in _deciding(events).items() if said.type == MERGED}
    return {id: _end(id, into) for id in into}


@dataclass(frozen=True)
class Persons:
    """Who is who after all merges and unmerges, and who may have been on the way."""

    survivor: Mapping[str, str]
    ever_merged: frozenset[str]
    circles: Mapping[str, frozenset[str]]
    """For each id that a merge has ever named: all that merges have ever connected it with."""
    merged_at: Mapping[str, datetime]
    """The last merge between the ids of who stays."""

    def of(self, id: str) -> str:
        """Who stands for an id."""
        return self.survivor.get(id, id)

    def members(self, id: str) -> set[str]:
        """All ids of the one who stands for this one."""
        stays = self.of(id)
        return {stays, *(other for other, end in self.survivor.items() if end == stays)}

    def circle(self, id: str) -> frozenset[str]:
        """All ids that may ever have been one person with this one."""
        return self.circles.get(id, frozenset({id}))


def persons(events: Sequence[Envelope]) -> Persons:
    """Who is who after all of the merges and unmerges among these events."""
    survivor = survivors(events)
    circles: dict[str, frozenset[str]] = {}
    merges = [said for said in events if said.type == MERGED]
    for said in merges:
        ids = said.subject, _into(said)
        joined = frozenset(ids).union(*(circles.get(id, ()) for id in ids))
        circles |= dict.fromkeys(joined, joined)
    merged_at: dict[str, datetime] = {}
    for id, said in _deciding(events).items():
        if id in survivor:
            stays = survivor[id]
            merged_at[stays] = max(said.time, merged_at.get(stays, said.time))
    return Persons(survivor, frozenset(said.subject for said in merges), circles, merged_at)


def _deciding(events: Iterable[Envelope]) -> dict[str, Envelope]:
    latest: dict[str, Envelope] = {}
    for said in events:
        if said.type in (MERGED, UNMERGED):
            latest[said.subject] = max(latest.get(said.subject, said), said, key=_place)
    return latest


def _into(said: Envelope) -> str:
    into: str = msgspec.json.decode(said.data)["into"]
    return into


def _place(said: Envelope) -> tuple[datetime, int, str, str]:
    return said.time, rank_of(said.type), said.source, said.id


def _end(customer: str, into: dict[str, str]) -> str:
    while customer in into:
        customer = into[customer]
    return customer
