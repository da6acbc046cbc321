"""Merges of customers in the traffic, and whose an event is in the end."""

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from shared.events.envelope import Envelope, decode
from shared.events.ranks import rank_of
from tests.support.builders import encode, event

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


def survivors(events: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Into whom ids are merged in the end: of all merges and unmerges of one the latest decides."""
    latest: dict[str, Envelope] = {}
    for made in events:
        if made["type"] in (MERGED, UNMERGED):
            said = decode(encode(made))
            latest[said.subject] = max(latest.get(said.subject, said), said, key=_place)
    into = {
        customer: msgspec.json.decode(said.data)["into"]
        for customer, said in latest.items()
        if said.type == MERGED
    }
    return {customer: _end(customer, into) for customer in into}


def _place(said: Envelope) -> tuple[datetime, int, str, str]:
    return said.time, rank_of(said.type), said.source, said.id


def _end(customer: str, into: dict[str, str]) -> str:
    while customer in into:
        customer = into[customer]
    return customer
