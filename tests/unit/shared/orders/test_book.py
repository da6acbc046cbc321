"""What orders are after everything known of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.orders.book import OrderBook, order_hash
from shared.orders.changes import NoEffect
from shared.orders.facts import OrderAction, OrderFact
from shared.orders.index import OrdersIncompleteError
from shared.orders.order import Order
from tests.support.order_facts import FIRST_DAY, order_fact

O = partial(order_fact, OrderAction.COMPLETED)  # noqa: E741  (the letters of the table)
U = partial(order_fact, OrderAction.UPDATED)
R = partial(order_fact, OrderAction.REFUNDED)
W = partial(order_fact, OrderAction.REFUND_WITHDRAWN)
X = partial(order_fact, OrderAction.CANCELLED)

AT, DE = "/shop-at", "/shop-de"
KEPT = 4


@dataclass(frozen=True)
class Case:
    """Events on successive days, what is left of each order, and what had no effect."""

    title: str
    events: Sequence[OrderFact]
    left: dict[str, int]
    without_effect: Sequence[NoEffect] = field(default=())


def days(*events: partial[OrderFact]) -> list[OrderFact]:
    """Give each event its own day."""
    return [event(day=day) for day, event in enumerate(events)]


P = partial
CASES = (
    Case("one order", days(P(O, 5000)), {"1": 5000}),
    Case("cancelled", days(P(O, 5000), P(X)), {"1": 0}),
    Case("paid after an automatic cancellation", days(P(O, 5000), P(X), P(O, 5000)), {"1": 5000}),
    Case("refunded in part", days(P(O, 5000), P(R, 2000)), {"1": 3000}),
    Case("refunded in full", days(P(O, 5000), P(R, 5000)), {"1": 0}),
    Case("completed again for more", days(P(O, 5000), P(O, 12000), P(R, 6000)), {"1": 6000}),
    Case("updated to more", days(P(O, 5000), P(U, 12000), P(R, 6000)), {"1": 6000}),
    Case("refunded, then updated to more", days(P(O, 5000), P(R, 5000), P(U, 8000)), {"1": 3000}),
    Case("updated to what is refunded", days(P(O, 5000), P(R, 2000), P(U, 2000)), {"1": 0}),
    Case(
        "one refund told twice",
        days(P(O, 5000), P(R, 2000, refund="r"), P(R, 2000, refund="r")),
        {"1": 3000},
        [NoEffect.REFUND_REPEATED],
    ),
    Case("two refunds without ids", days(P(O, 5000), P(R, 2000), P(R, 2000)), {"1": 1000}),
    Case("all that is left", days(P(O, 5000), P(R, 2000), P(R)), {"1": 0}),
    Case(
        "withdrawn by id",
        days(P(O, 5000), P(R, 2000, refund="r"), P(W, refund="r")),
        {"1": 5000},
    ),
    Case("withdrawn by amount", days(P(O, 5000), P(R, 2000), P(R, 500), P(W, 2000)), {"1": 4500}),
    Case(
        "told again after its withdrawal",
        days(P(O, 5000), P(R, 9, refund="r"), P(W, refund="r"), P(R, 9, refund="r")),
        {"1": 5000},
        [NoEffect.REFUND_REPEATED],
    ),
    Case(
        "a withdrawal of nothing", days(P(O, 50), P(W, 10)), {"1": 50}, [NoEffect.REFUND_UNKNOWN]
    ),
    Case(
        "refunded in another currency",
        days(P(O, 5000), P(R, 5000, currency="USD")),
        {"1": 5000},
        [NoEffect.OTHER_CURRENCY],
    ),
    Case("refunded before it is known", days(P(R, 2000), P(O, 5000)), {"1": 3000}),
    Case("cancelled before it is known", days(P(X), P(O, 5000)), {"1": 0}),
    Case("cancelled before, and paid later", days(P(X), P(O, 5000), P(O, 5000)), {"1": 5000}),
    Case("waits for its order", days(P(R, 2000)), {}, [NoEffect.ORDER_UNKNOWN]),
    Case("updated before it is known", days(P(U, 9), P(O, 5)), {"1": 5}, [NoEffect.ORDER_UNKNOWN]),
    Case("completed twice alike", days(P(O, 5000), P(O, 5000)), {"1": 5000}, [NoEffect.UNCHANGED]),
    Case(
        "cancelled twice", days(P(O, 5000), P(X), P(X)), {"1": 0}, [NoEffect.UNCHANGED]
    ),
    Case("refunded after all", days(P(O, 50), P(X), P(R)), {"1": 0}, [NoEffect.NOTHING_LEFT]),
    Case("a free order", days(P(O, 0)), {"1": 0}),
    Case("two stores", days(P(O, 5000, source=DE), P(O, 3000, source=AT)), {DE: 5000, AT: 3000}),
    Case(
        "two stores of one source, refunded by store",
        days(P(O, 5000, store=DE), P(O, 3000, store=AT), P(R, store=AT)),
        {DE: 5000, AT: 0},
    ),
    Case(
        "two stores of one source, refunded without",
        days(P(O, 5000, store=DE), P(O, 3000, store=AT), P(R)),
        {DE: 5000, AT: 3000},
        [NoEffect.ORDER_AMBIGUOUS],
    ),
    Case(
        "refunded by its own source",
        days(P(O, 5000, source=DE), P(O, 3000, source=AT), P(R, source=AT)),
        {DE: 5000, AT: 0},
    ),
    Case("refunded by the provider", days(P(O, 5000), P(R, 2000, source="/psp")), {"1": 3000}),
    Case(
        "refunded by the provider, for the customer's own",
        days(
            P(O, 5000, source=DE, origin="guest"), P(O, 3000, source=AT),
            P(R, 1000, source="/psp", origin="guest"),
        ),
        {DE: 4000, AT: 3000},
    ),
    Case("one order of two ids of a person", days(P(O, 50, origin="a"), P(O, 50)), {"1": 50},
         [NoEffect.UNCHANGED]),
    Case("a replacement", days(P(O, 5000, replaces="0"), P(R, 100)), {"1": 0}),
)  # fmt: skip


def fold(events: Sequence[OrderFact]) -> OrderBook:
    """Apply all events, each identity once, in the order of their keys."""
    book = OrderBook()
    for event in sorted({(e.source, e.id): e for e in events}.values(), key=lambda e: e.key):
        book.apply(event)
    return book


def left_of(book: OrderBook) -> dict[str, int]:
    """What is left of each order, by its store where there are several."""
    orders = list(book.orders)
    if len(orders) == 1:
        return {orders[0].id: orders[0].left}
    return {order.store: order.left for order in orders}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_an_order_is_what_is_known_of_it(case: Case) -> None:
    book = fold(case.events)
    assert left_of(book) == case.left
    assert [reason for _, reason in book.without_effect] == list(case.without_effect)


def test_a_free_order_stands_until_it_is_undone() -> None:
    assert [order.stands for order in fold(days(P(O, 0))).orders] == [True]
    for undoing in (P(X), P(R, 0), P(R)):
        assert [order.stands for order in fold(days(P(O, 0), undoing)).orders] == [False]
    assert [order.stands for order in fold(days(P(O, 5000), P(U, 0))).orders] == [True]


def test_a_free_order_is_no_purchase_where_these_do_not_count() -> None:
    book = OrderBook()
    book.apply(O(0, day=0), free_counts=False)
    assert [order.stands for order in book.orders] == [False]
    book.apply(U(10, day=1), free_counts=False)
    assert [order.stands for order in book.orders] == [True]


def test_the_time_of_purchase_is_new_only_where_a_cancellation_is_taken_back() -> None:
    def bought(*events: partial[OrderFact]) -> float:
        (order,) = fold(days(*events)).orders
        return (order.at - FIRST_DAY) / timedelta(days=1)

    assert bought(P(O, 5000), P(X), P(O, 5000)) == 2
    assert bought(P(O, 5000), P(O, 6000)) == 0
    assert bought(P(O, 5000), P(R, refund="r"), P(W, refund="r")) == 0
    assert bought(P(O, 5000), P(R), P(U, 9000)) == 0


def test_a_refund_of_all_of_a_cancelled_order_takes_nothing_when_it_is_paid_later() -> None:
    assert left_of(fold(days(P(O, 5000), P(X), P(R), P(O, 5000)))) == {"1": 5000}
    assert left_of(fold(days(P(O, 5000), P(R, 2000), P(X), P(O, 5000)))) == {"1": 3000}


def test_versions_are_kept_of_what_is_not_one_plain_purchase() -> None:
    book = fold(days(P(O, 5000), P(O, 700, order="2"), P(U, 6000), P(X)))
    told = [(version.order.id, version.order.left) for version in book.versions]
    assert told == [("1", 6000), ("1", 0)]


def _time(order: Order | None) -> datetime | None:
    return None if order is None else order.at


EVENTS = st.builds(
    lambda action, amount, **rest: order_fact(
        action,
        # a completed order has a total, a withdrawal an amount or an id
        amount if action is not OrderAction.COMPLETED else amount or 0,
        **rest,
    ),
    st.sampled_from(OrderAction),
    st.sampled_from([None, 0, 100, 200]),
    id=st.sampled_from("abcdefghijkl"),
    order=st.sampled_from(["1", "1", "2", "3", "4", "5", "6", "7"]),
    day=st.integers(0, 9),
    source=st.sampled_from(["/shop", "/shop", "/psp"]),
    origin=st.sampled_from(["", "", "old"]),
    store=st.sampled_from([None, None, None, "/at"]),
    currency=st.sampled_from(["EUR", "EUR", "EUR", "USD"]),
    refund=st.sampled_from([None, "r1", "r2"]),
    replaces=st.sampled_from([None, None, None, "0"]),
)
LIVES = st.lists(EVENTS, max_size=14, unique_by=lambda event: (event.source, event.id))


@given(LIVES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(events, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = [*events, *random.sample(events, k=len(events) // 2)]
    random.shuffle(shuffled)
    one, other = fold(events), fold(shuffled)
    assert list(one.orders) == list(other.orders)
    assert one.versions == other.versions
    assert one.without_effect == other.without_effect


@given(LIVES)
def test_the_recent_orders_are_enough_or_say_that_they_are_not(events: list[OrderFact]) -> None:
    """Applied to recent orders, an event does what it does to all, or is refused."""
    whole = OrderBook()
    recent: tuple[Order, ...] = ()
    named: set[int] = set()
    for event in sorted(events, key=lambda event: event.key):
        older = len(list(whole.orders)) > len(recent)
        some = OrderBook(recent, older=older, named=named)
        expected = whole.apply(event)
        try:
            assert some.apply(event) == expected
            last = some.orders.last_standing()
            bought = some.orders.standing_on(event.time.date())
        except OrdersIncompleteError:
            pass
        else:
            assert _time(last) == _time(whole.orders.last_standing())
            assert bought == whole.orders.standing_on(event.time.date())
            assert some.recent(KEPT) == whole.recent(KEPT)
        recent = whole.recent(KEPT)
        named.add(order_hash(event.details.order_id))
