"""What a shop does on request: orders that change and people who are two, and the truth of it."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest

from shared.events import catalogue
from shared.instants import parse
from shared.orders.book import OrderBook
from shared.orders.facts import ORDER_TYPES, OrderAction, OrderFact, decode_order
from shared.simulator.person.life import Life
from shared.simulator.shop import Line, Shop, lines, lives
from shared.simulator.world import ground_truth
from shared.simulator.world.extras import Extras

ALL: Final = Extras(
    edited=0.3,
    reinstated=0.1,
    refund_ids=True,
    refunds_repeated=0.4,
    refunds_withdrawn=0.4,
    merged=0.3,
    unmerged=0.5,
)
SHOP: Final = Shop(customers=160, months=18, seed=5)
ON_REQUEST: Final = {"order.updated", "order.refund_withdrawn", "customer.unmerged"}


@dataclass(slots=True)
class Order:
    """An order as its events leave it."""

    purchased_at: str
    total: int = 0
    is_cancelled: bool = False
    refunds: dict[str, int] = field(default_factory=dict)

    def hear(self, event: dict[str, Any]) -> None:
        """Take one event, in the order of time."""
        data = event["data"]
        match event["type"]:
            case "order.completed":
                self.total = data["total"]["amount"]
                if self.is_cancelled:
                    self.purchased_at = event["time"]
                self.is_cancelled = False
            case "order.updated":
                self.total = data["total"]["amount"]
            case "order.cancelled":
                self.is_cancelled = True
            case "order.refunded":
                left = self.total - sum(self.refunds.values())
                amount = data["amount"]["amount"] if "amount" in data else left
                self.refunds.setdefault(data.get("refund_id", event["id"]), amount)
            case "order.refund_withdrawn":
                del self.refunds[data["refund_id"]]

    def told(self) -> dict[str, Any]:
        refunded = sum(self.refunds.values())
        return {
            "purchased_at": self.purchased_at,
            "total": self.total,
            "refunded": refunded,
            "stands": not self.is_cancelled and refunded < self.total,
        }


def fact_of(event: dict[str, Any]) -> tuple[str, OrderFact]:
    """The customer and the fact of an event about an order."""
    action = OrderAction(event["type"])
    fact = OrderFact(
        action,
        parse(event["time"]),
        event["source"],
        event["id"],
        decode_order(action, json.dumps(event["data"])),
    )
    return event["subject"], fact


def shop_with(extras: Extras) -> tuple[Shop, list[Life]]:
    shop = replace(SHOP, extras=extras)
    return shop, list(lives(shop))


def events_of(shop: Shop, all_lives: Iterable[Life]) -> list[dict[str, Any]]:
    made: list[Line] = [line for life in all_lives for line in lines(shop, life)]
    return sorted((json.loads(line.json) for line in made), key=lambda event: event["time"])


def folded(events: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The orders of every id by a plain fold; what was sent for a merged id is the survivor's."""
    events = list(events)
    into: dict[str, str | None] = {}
    for event in events:
        if event["type"] in ("customer.merged", "customer.unmerged"):
            into[event["subject"]] = event["data"].get("into")
    found: dict[tuple[str, str], Order] = {}
    for event in events:
        if "order_id" in event["data"]:
            owner = into.get(event["subject"]) or event["subject"]
            key = owner, event["data"]["order_id"]
            found.setdefault(key, Order(event["time"])).hear(event)
    return {key: order.told() for key, order in found.items()}


def truth_of(shop: Shop, all_lives: Iterable[Life]) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for life in all_lives:
        for line in ground_truth.order_lines(shop, life):
            told = json.loads(line)
            for order in told["orders"]:
                found[told["customer"], order.pop("order_id")] = order
    return found


def test_nothing_of_it_happens_unasked() -> None:
    shop, all_lives = shop_with(Extras())
    events = events_of(shop, all_lives)
    assert not ON_REQUEST & {event["type"] for event in events}
    assert not [event for event in events if "refund_id" in event["data"]]
    placed = [event for event in events if event["type"] == "order.completed"]
    assert len({event["data"]["order_id"] for event in placed}) == len(placed)
    assert truth_of(shop, all_lives) == {}


@pytest.mark.parametrize(
    "extras",
    [
        Extras(edited=0.3),
        Extras(reinstated=0.2),
        Extras(refund_ids=True),
        Extras(refunds_repeated=0.5),
        Extras(refunds_withdrawn=0.5),
        Extras(merged=0.4),
        Extras(merged=0.4, unmerged=0.6),
        ALL,
    ],
)
def test_what_is_said_of_orders_is_what_a_plain_fold_of_their_events_says(extras: Extras) -> None:
    shop, all_lives = shop_with(extras)
    truth = truth_of(shop, all_lives)
    assert truth
    assert truth == folded(events_of(shop, all_lives))


def test_the_services_come_to_the_same_orders() -> None:
    shop, all_lives = shop_with(replace(ALL, merged=0.0))
    books: dict[str, OrderBook] = {}
    about_orders = [e for e in events_of(shop, all_lives) if e["type"] in ORDER_TYPES]
    facts = [fact_of(event) for event in about_orders]
    for customer, fact in sorted(facts, key=lambda found: found[1].key):
        books.setdefault(customer, OrderBook()).apply(fact)
    found = {
        (customer, order.id): {
            "purchased_at": order.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "total": order.total,
            "refunded": order.refunded,
            "stands": order.stands,
        }
        for customer, book in books.items()
        for order in book.orders
    }
    assert found == truth_of(shop, all_lives)


def test_everything_asked_for_occurs_and_is_accepted_by_its_model() -> None:
    shop, all_lives = shop_with(ALL)
    made = [line for life in all_lives for line in lines(shop, life)]
    kinds = Counter(line.kind for line in made)
    assert all(kinds[kind] > 10 for kind in (*ON_REQUEST, "customer.merged"))
    for line in made:
        if line.kind.startswith(("order.", "customer.")):
            catalogue.canonical(line.json.encode())


def test_a_repeated_refund_is_a_new_event_with_the_id_of_the_first() -> None:
    events = events_of(*shop_with(Extras(refunds_repeated=0.5)))
    refunds = [event for event in events if event["type"] == "order.refunded"]
    ids = Counter(event["data"]["refund_id"] for event in refunds)
    assert set(ids.values()) == {1, 2}
    assert len({event["id"] for event in refunds}) == len(refunds)
    assert any("amount" not in event["data"] for event in refunds)


def test_an_order_paid_after_its_cancellation_is_a_purchase_of_that_time() -> None:
    _, all_lives = shop_with(Extras(reinstated=0.5))
    again = [order for life in all_lives for order in life.placed if order.purchased > order.placed]
    assert len(again) > 100
    assert all(order.purchased - order.placed < 3600 for order in again)
    for life in all_lives:
        assert life.bought == sorted(life.bought)
        bought = {t for t, _ in life.bought}
        assert {order.purchased for order in life.placed} <= bought
        ended = [silence.since for silence in life.silences]
        assert all(order.placed not in ended or order.purchased in ended for order in life.placed)


def test_a_merge_that_is_taken_back_leaves_two_ids_with_orders_of_their_own() -> None:
    shop, all_lives = shop_with(ALL)
    parted = [life for life in all_lives if life.unmerged is not None]
    assert parted
    owners = {customer for customer, _ in truth_of(shop, parted)}
    both = [life for life in parted if {life.old_id, life.person.customer} <= owners]
    assert len(both) > 5
    for life in parted:
        times = {e["type"]: e["time"] for e in events_of(shop, [life])}
        assert times["customer.merged"] < times["customer.unmerged"]


@pytest.mark.parametrize(
    ("extras", "whole", "part"),
    [
        (Extras(edited=1.0), "order.completed", "order.updated"),
        (Extras(refunds_withdrawn=1.0), "order.refunded", "order.refund_withdrawn"),
        (Extras(merged=0.3, unmerged=1.0), "customer.merged", "customer.unmerged"),
    ],
)
def test_a_share_of_one_takes_all(extras: Extras, whole: str, part: str) -> None:
    kinds = Counter(event["type"] for event in events_of(*shop_with(extras)))
    assert 0.8 * kinds[whole] < kinds[part] <= kinds[whole]
