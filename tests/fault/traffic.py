"""Seeded traffic with late and doubled events, and the histories that must result."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any

import msgspec
from msgspec.structs import replace

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.state.customer import Move
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from shared.events import transitions
from shared.events.envelope import Envelope, decode
from shared.events.transitions import Correction, Transition
from shared.ids import stable_id
from shared.kafka.topics import CUSTOMER_EVENTS, HINTS, PHASE_TRANSITIONS
from tests.fault.changes import verify_changes
from tests.fault.merges import MERGED, UNMERGED, merges_among, survivors
from tests.fault.orders import changes_of
from tests.fault.terms import POLICY
from tests.support.builders import DAY_0, day, encode, event, order, tick
from tests.support.pipeline import by_partition, daily_counts_hold, published, rows

DAYS = 200
_CURRENT = """
SELECT customer, body FROM lifecycle.transition WHERE withdrawn IS NULL ORDER BY customer, position
"""
KINDS = (
    "order.completed",
    "order.completed",
    "order.completed",
    "session.signed_in",
    "customer.closed",
)


@dataclass(frozen=True)
class Traffic:
    """Events in the order of arrival, ticks among them."""

    events: list[dict[str, Any]]
    end: datetime

    def expected(self) -> dict[str, list[Move]]:
        """Return each customer's history by a plain fold of all distinct events.

        Whose an event is, the merges and unmerges say that hold in the end; they themselves change
        no life, and stay with the id that they were sent for.
        """
        events = [decode(encode(made)) for made in self.events if "subject" in made]
        survivor = survivors(events)
        found: dict[str, dict[tuple[str, str, str], Happening]] = defaultdict(dict)
        for sent in events:
            if sent.type not in (MERGED, UNMERGED) or sent.subject not in survivor:
                event = _brought_over(sent, survivor)
                content = read(CUSTOMER_EVENTS, event)
                assert isinstance(content, Happening)
                identity = sent.subject, event.source, event.id
                found[event.subject].setdefault(identity, content)
        return {
            customer: list(fold(h.values(), POLICY, until=self.end).moves)
            for customer, h in found.items()
        }


def _brought_over(event: Envelope, survivor: Mapping[str, str]) -> Envelope:
    into = survivor.get(event.subject)
    return event if into is None else replace(event, subject=into, mergedfrom=event.subject)


def generate(seed: int, *, customers: int = 150, events: int = 2500) -> Traffic:
    """A tenth of the events up to five days late, a few doubled, a tick every fifth day.

    Beside the events that are counted, a third of the orders change, and ids are merged and parted.
    """
    rnd = random.Random(seed)
    arrivals: list[tuple[float, dict[str, Any]]] = []
    names = sorted(f"c{n}" for n in range(customers))
    for when, made in merges_among(rnd, names, DAY_0, DAYS, number=customers // 10):
        arrivals += arrivals_of(rnd, when, made)
    for n in range(events):
        at = rnd.uniform(0, DAYS)
        customer = f"c{rnd.randrange(customers)}"
        kind = rnd.choice(KINDS)
        if kind == "customer.closed" and rnd.random() < 0.8:
            kind = "message.opened"
        for when, made in _happens(rnd, customer, kind, at, f"e{n}"):
            if when < DAYS:
                arrivals += arrivals_of(rnd, when, made)
    return Traffic(in_order(arrivals), day(DAYS + 10))


def _happens(
    rnd: random.Random, customer: str, kind: str, at: float, name: str
) -> Iterator[tuple[float, dict[str, Any]]]:
    if kind != "order.completed":
        yield at, event(customer, kind, at, id=name)
        return
    made = order(customer, at, id=name)
    yield at, made
    yield from changes_of(rnd, at, made)


def arrivals_of(
    rnd: random.Random, at: float, made: dict[str, Any]
) -> list[tuple[float, dict[str, Any]]]:
    """When an event comes in: at once or up to five days late, and now and then twice."""
    found = [(at + (rnd.uniform(0, 5) if rnd.random() < 0.1 else 0), made)]
    if rnd.random() < 0.03:
        found.append((at + rnd.uniform(0, 5), made))
    return found


def in_order(
    arrivals: list[tuple[float, dict[str, Any]]], *, every: int = 5
) -> list[dict[str, Any]]:
    """The events as they come in, and a tick every so many days until all of them have."""
    ticks = [(number, tick(number)) for number in range(0, DAYS + 11, every)]
    return [made for _, made in sorted([*arrivals, *ticks], key=lambda a: a[0])]


def essence(history: list[Move] | list[Transition]) -> list[Any]:
    """What two histories must share: everything that is a pure function of the events."""
    names = [name for name in Move.__struct_fields__ if name not in ("historical", "since")]
    return [msgspec.to_builtins({name: getattr(t, name) for name in names}) for t in history]


async def verify(bootstrap: str, database: str, traffic: Traffic) -> None:
    """Verify that nothing is lost or doubled: in the tables, on the topic and in the changes."""
    expected = {
        customer: essence(history) for customer, history in traffic.expected().items() if history
    }
    verify_equal(await stored_histories(database), expected)
    announced = await by_partition(bootstrap, PHASE_TRANSITIONS)
    verify_equal(histories_on_topic(announced), expected)
    await verify_changes(database, announced)
    assert await rows(database, "SELECT 1 FROM lifecycle.outbox") == []
    await daily_counts_hold(database)
    hints = [hint.id for hint in await published(bootstrap, HINTS)]
    given = await rows(database, "SELECT customer, name, occasion FROM lifecycle.hint")
    assert set(hints) == {str(stable_id(*row)) for row in given}, (
        "hints lost, or given without being noted"
    )
    letters = await rows(database, "SELECT reason, detail FROM lifecycle.dead_letter")
    assert letters == []


def verify_equal(found: dict[str, list[Any]], expected: dict[str, list[Any]]) -> None:
    """Equal histories of all customers; names those that differ, with what differs first."""
    differing = {
        customer: next(
            pair
            for pair in zip_longest(found.get(customer, []), expected.get(customer, []))
            if pair[0] != pair[1]
        )
        for customer in sorted(found.keys() | expected.keys())
        if found.get(customer) != expected.get(customer)
    }
    assert not differing, (
        f"{len(differing)} histories differ, such as {list(differing.items())[:2]}"
    )


async def stored_histories(database: str) -> dict[str, list[Any]]:
    """Return the current histories in the tables."""
    found: dict[str, list[Transition]] = defaultdict(list)
    for row in await rows(database, _CURRENT):
        found[row["customer"]].append(msgspec.json.decode(row["body"], type=Transition))
    return {customer: essence(history) for customer, history in found.items()}


def histories_on_topic(records: Mapping[int, Sequence[Envelope]]) -> dict[str, list[Any]]:
    """Return the current histories of a consumer of the topic that drops known ids."""
    seen: dict[str, Transition | Correction] = {}
    for envelope in (record for found in records.values() for record in found if record.subject):
        announcement = transitions.decode(envelope)
        assert announcement is not None
        assert seen.setdefault(envelope.id, announcement) == announcement, "one id, two contents"
    by_customer: dict[str, list[Transition | Correction]] = defaultdict(list)
    for announcement in seen.values():
        by_customer[announcement.customer].append(announcement)
    return {c: essence(h) for c, found in by_customer.items() if (h := replay(found))}


def replay(announcements: list[Transition | Correction]) -> list[Transition]:
    """The history that a customer's announcements leave; their versions must be 1, 2, 3, …"""
    ordered = sorted(announcements, key=lambda a: a.version)
    assert [a.version for a in ordered] == list(range(1, len(ordered) + 1)), (
        "versions with a gap, or doubled"
    )
    history: list[Transition] = []
    for a in ordered:
        if isinstance(a, Correction):
            history = [t for t in history if t.version not in a.withdrawn] + list(a.added)
        else:
            history.append(a)
    return sorted(history, key=lambda t: t.position)
