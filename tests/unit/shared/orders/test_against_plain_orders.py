"""Orders are what a plain account says, which was written from the domain alone."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

import msgspec
import pytest

from shared.orders.book import OrderBook
from shared.orders.facts import OrderAction, OrderFact, decode_order
from tests.support.builders import event
from tests.support.customer_events import CUSTOMER, RawEvent
from tests.support.plain.plain_events import PlainEvent, in_order
from tests.support.plain.plain_lives import DATA, MERGED_IDS, SOURCES
from tests.support.plain.plain_orders import orders_of

LIVES: Final = 2_000
COMPLETED: Final = ("order.completed",) * 4
DAYS: Final = 12


def life_of(seed: int) -> list[PlainEvent]:
    """Return events about orders, some of two people, some of one instant."""
    random = Random(seed)
    raws = [_event(random, number) for number in range(random.randint(1, 16))]
    return [replace(each, free_counts=random.random() < 0.8) for each in in_order(raws)]


def _event(random: Random, number: int) -> RawEvent:
    type = random.choice((*COMPLETED, *OrderAction))
    raw = event(CUSTOMER, type, random.randint(0, DAYS), id=f"{number * 7 % 25:02}")
    origin = {"mergedfrom": random.choice(MERGED_IDS)} if random.random() < 0.2 else {}
    return {**raw, "source": random.choice(SOURCES), "data": DATA[type](random), **origin}


def told(events: Sequence[PlainEvent]) -> list[str]:
    """Return each order after all events, and why others had no effect."""
    book = OrderBook()
    for each in events:
        book.apply(_fact(each), free_counts=each.free_counts)
    orders = [
        f"{o.id} of {o.store}, {o.at}: {o.total} {o.currency}, {o.left} left {o.stands}"
        for o in book.orders
    ]
    reasons = [
        f"{w.fact.source} {w.fact.id} of {w.fact.origin or CUSTOMER}: {w.reason}"
        for w in book.without_effect
    ]
    return sorted(orders) + sorted(reasons)


def _fact(event: PlainEvent) -> OrderFact:
    return OrderFact(
        OrderAction(event.type),
        event.time,
        event.source,
        event.id,
        decode_order(OrderAction(event.type), msgspec.json.encode(event.data)),
        origin="" if event.subject == CUSTOMER else event.subject,
    )


def told_plainly(events: Sequence[PlainEvent]) -> list[str]:
    plain = orders_of(events)
    orders = [
        f"{o.order_id} of {o.store}, {o.purchased_at}: {o.total} {o.currency}, "
        f"{o.left if o.stands else 0} left {o.stands}"
        for o in plain.known
    ]
    reasons = [
        f"{source} {id} of {subject}: {reason}"
        for (source, id, subject), reason in plain.remarks.items()
    ]
    return sorted(orders) + sorted(reasons)


def smallest(events: list[PlainEvent]) -> list[PlainEvent]:
    """Leave out events as long as both accounts still differ."""
    for place in range(len(events)):
        fewer = events[:place] + events[place + 1 :]
        if told(fewer) != told_plainly(fewer):
            return smallest(fewer)
    return events


def test_both_accounts_tell_the_same_orders_and_the_same_reasons() -> None:
    for seed in range(LIVES):
        events = life_of(seed)
        if told(events) != told_plainly(events):
            events = smallest(events)
            lines = [*map(str, events), *told(events), "plainly:", *told_plainly(events)]
            pytest.fail("\n".join(lines))
