"""Orders, refunds and cancellations: what stands, what is undone, and the sums."""

from typing import Final

import pytest

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import to_money
from services.lifecycle.domain.state.phases import Phase
from tests.support.builders import day, order
from tests.support.customer_events import CUSTOMER, RawEvent, does
from tests.support.feedback_events import annuls, complains, refers, resolves, scores
from tests.support.lives import (
    ESTABLISHED,
    INACTIVE,
    NEW,
    PROSPECT,
    SILENT,
    WON_BACK,
    Case,
    day_number,
    live,
)
from tests.support.purchase_events import (
    buys,
    cancels_order,
    concludes,
    refunds,
)

UNDONE: Final = "first_purchase_undone"


def completes_again(of: str, at: float) -> list[RawEvent]:
    """The same order under another event id."""
    return [{**raw, "data": {**raw["data"], "order_id": of}} for raw in buys(at)]


TWO_AT_ONCE: Final = [
    order(CUSTOMER, 0, id="a"),
    *concludes(0, renews_at=day(-50).isoformat()),
    order(CUSTOMER, 0, id="o"),
]
"""The contract, whose grace has passed, ends at once between the orders."""
RETURNED_AT_ONCE: Final = [*NEW, "0 relationship_ended former", "0 returned won_back"]


ORDERS: Final = {
    "the only order cancelled makes a prospect": Case(
        [*buys(0), *cancels_order(1, "o0")], 2, [*NEW, f"1 {UNDONE} prospect"]
    ),
    "refunded in full too": Case([*buys(0), *refunds(1, "o0")], 2, [*NEW, f"1 {UNDONE} prospect"]),
    "refunded in parts, when nothing is left": Case(
        [*buys(0), *refunds(1, "o0", 400), *refunds(2, "o0", 600)],
        3,
        [*NEW, f"2 {UNDONE} prospect"],
    ),
    "not with a part": Case([*buys(0), *refunds(1, "o0", 999)], 2, NEW),
    "not in another currency": Case([*buys(0), *refunds(1, "o0", 1000, "USD")], 2, NEW),
    "more than the total is the total": Case(
        [*buys(0), *refunds(1, "o0", 5000)], 2, [*NEW, f"1 {UNDONE} prospect"]
    ),
    "not for an unknown order": Case([*buys(0), *cancels_order(1, "o7")], 2, NEW),
    "not when a purchase remains": Case([*buys(0, 1), *cancels_order(2, "o0")], 3, NEW),
    "when none remains": Case(
        [*buys(0, 1), *cancels_order(2, "o0"), *cancels_order(3, "o1")],
        4,
        [*NEW, f"3 {UNDONE} prospect"],
    ),
    "not when a contract remains": Case([*buys(0), *concludes(1), *cancels_order(2, "o0")], 3, NEW),
    "at risk, too": Case(
        [*buys(0), *complains(1), *cancels_order(2, "o0")],
        3,
        [*NEW, "1 dissatisfied at_risk", f"2 {UNDONE} prospect"],
    ),
    "nor is anything left to recover to": Case(
        [*buys(0), *complains(1), *cancels_order(2, "o0"), *resolves(3)],
        4,
        [*NEW, "1 dissatisfied at_risk", f"2 {UNDONE} prospect"],
    ),
    "an established customer loses the habit, and then everything": Case(
        [
            *buys(0, 1, 2),
            *(cancels_order(3, "o0") + cancels_order(4, "o1") + cancels_order(5, "o2")),
        ],
        6,
        [*ESTABLISHED, "3 habit_undone new", f"5 {UNDONE} prospect"],
    ),
    "a prospect again becomes new again": Case(
        [*buys(0), *cancels_order(1, "o0"), *buys(2)],
        3,
        [*NEW, f"1 {UNDONE} prospect", "2 first_purchase new"],
    ),
    "undone twice is undone once": Case(
        [*buys(0, 1), *cancels_order(2, "o0"), *refunds(3, "o0")], 4, NEW
    ),
    "a return undone goes back": Case(
        [*buys(0, 200), *cancels_order(201, "o200")], 202, [*WON_BACK, f"201 {UNDONE} inactive"]
    ),
    "to former, where it came from": Case(
        [*buys(0), *does("customer.closed", 10), *buys(20), *cancels_order(21, "o20")],
        22,
        [*NEW, "10 relationship_ended former", "20 returned won_back", f"21 {UNDONE} former"],
    ),
    "whose time has gone on": Case(
        [*buys(0, 200), *cancels_order(201, "o200")],
        910,
        [*WON_BACK, f"201 {UNDONE} inactive", "910 relationship_ended former"],
    ),
    "and is due at once where it has passed": Case(
        [*buys(0, 909), *cancels_order(912, "o909")],
        913,
        [
            *INACTIVE,
            "909 returned won_back",
            f"912 {UNDONE} inactive",
            "912 relationship_ended former",
        ],
    ),
    "an order of an earlier episode undone does not": Case(
        [*buys(0, 200), *cancels_order(201, "o0")], 202, WON_BACK
    ),
    "nor does the rest of the episode remain": Case(
        [*buys(0, 1, 200), *cancels_order(201, "o0"), *cancels_order(202, "o200")],
        203,
        [
            "0 first_purchase new",
            "91 silence_begins at_risk",
            "181 fell_silent inactive",
            "200 returned won_back",
            f"202 {UNDONE} inactive",
        ],
    ),
    "an undone order is none of the three": Case(
        [*buys(0, 1), *cancels_order(2, "o1"), *buys(3)], 4, NEW
    ),
    "nor of the two that settle": Case(
        [*buys(0, 200, 201), *cancels_order(200.5, "o200")],
        202,
        [*WON_BACK, f"200.5 {UNDONE} inactive", "201 returned won_back"],
    ),
    "settling counts orders since the return, not undone ones": Case(
        [*buys(0), *concludes(200), *buys(201, 203), *cancels_order(202, "o201")], 204, WON_BACK
    ),
    "what was undone before the return undoes no habit after it": Case(
        [
            *buys(0, 1, 2, 200),
            *cancels_order(3, "o2"),
            *refers(201),
            *scores(202, "nps", 8),
        ],
        203,
        [
            *ESTABLISHED,
            "3 habit_undone new",
            "91 silence_begins at_risk",
            "181 fell_silent inactive",
            "200 returned won_back",
            "201 recommends advocate",
            "202 enthusiasm_faded established",
        ],
    ),
    "a first purchase after all before it was undone goes back to prospect": Case(
        [
            *buys(0, 200),
            *does("customer.closed", 201),
            *(cancels_order(202, "o0") + cancels_order(203, "o200")),
            *buys(204),
            *cancels_order(205, "o204"),
        ],
        206,
        [
            *WON_BACK,
            "201 relationship_ended former",
            "204 first_purchase new",
            f"205 {UNDONE} prospect",
        ],
    ),
    "and its habit is that of a new customer": Case(
        [
            *buys(0, 200),
            *(cancels_order(202, "o200") + cancels_order(203, "o0")),
            *buys(204, 205, 206),
            *cancels_order(207, "o206"),
        ],
        208,
        [
            *WON_BACK,
            f"202 {UNDONE} inactive",
            "204 first_purchase new",
            "206 habit_formed established",
            "207 habit_undone new",
        ],
    ),
    "revenue is judged also when an order that is completed again stands again": Case(
        [*buys(0, 1, 2, 3), *refunds(4, "o3"), *buys(80, amount=2000)]
        + [{**raw, "data": {**raw["data"], "order_id": "o3"}} for raw in buys(95, amount=9000)],
        96,
        [*ESTABLISHED, "95 bond_weakens at_risk"],
        causes=("revenue",),
        policy=Policy(revenue_decline_share=0.5),
    ),
    "of two at the instant of the return, both are since the return": Case(
        [*TWO_AT_ONCE], 1, [*RETURNED_AT_ONCE, "0 settled established"]
    ),
    "so that the other still stands when one is undone": Case(
        [*TWO_AT_ONCE, *cancels_order(1, "a")],
        2,
        [*RETURNED_AT_ONCE, "0 settled established", "1 habit_undone won_back"],
    ),
    "silence is measured from the last order that stands": Case(
        [*buys(0, 10), *cancels_order(11, "o10")],
        100,
        [*NEW, "90 silence_begins at_risk"],
        causes=("silence",),
    ),
    "cancelled before it completes it is no purchase": Case(
        [*cancels_order(0, "o1"), *buys(1)], 2, PROSPECT
    ),
    "nor is silence measured from it": Case(
        [*buys(0, 20), *cancels_order(10, "o20")],
        110,
        [*NEW, "90 silence_begins at_risk"],
        causes=("silence",),
    ),
    "refunded in part before it completes it is one": Case(
        [*refunds(0, "o1", 400), *buys(1)], 2, [*PROSPECT, "1 first_purchase new"]
    ),
    "twice under two event ids it is one": Case(
        [*buys(0), *completes_again("o0", 1), *completes_again("o0", 2)], 3, NEW
    ),
    "and moves no deadline": Case(
        [*buys(0), *completes_again("o0", 50)], 90, SILENT, causes=("silence",)
    ),
    "completed after all it stands again": Case(
        [*buys(0), *cancels_order(1, "o0"), *completes_again("o0", 2)],
        3,
        [*NEW, f"1 {UNDONE} prospect", "2 first_purchase new"],
    ),
    "an order of nothing is undone by a refund of nothing": Case(
        [*buys(0, total={"amount": 0, "currency": "EUR"}), *refunds(1, "o0", 0)],
        2,
        [*NEW, f"1 {UNDONE} prospect"],
    ),
    "an advocate's only order undone changes no phase": Case(
        [*refers(0), *buys(1), *cancels_order(2, "o1")], 3, ["0 recommends advocate"]
    ),
    "but the phase that follows": Case(
        [*refers(0), *buys(1), *cancels_order(2, "o1"), *annuls(3)],
        4,
        ["0 recommends advocate", "3 enthusiasm_faded prospect"],
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_undone_orders_read_as_the_domain_says(name: str) -> None:
    ORDERS[name].check()


def test_an_undone_return_restores_the_old_since_and_ends_the_episode() -> None:
    customer, moves, _ = live([*buys(0, 200), *cancels_order(201, "o200")], 202, Policy()).parts
    assert (customer.phase, day_number(customer.since)) == (Phase.INACTIVE, 180)
    assert [move.episode for move in moves] == [1, 1, 1, 2, 2]
    customer, _, _ = live(
        [*buys(0, 200), *cancels_order(201, "o200"), *buys(202)], 203, Policy()
    ).parts
    assert (customer.phase, customer.episode, customer.orders_since_return) == (
        Phase.WON_BACK,
        3,
        1,
    )


def test_undoing_what_was_bought_before_an_undone_return_leaves_no_debt() -> None:
    events = [*buys(0, 200), *cancels_order(201, "o200"), *cancels_order(202, "o0")]
    customer, _, _ = live(events, 203, Policy()).parts
    assert (customer.orders, customer.orders_since_return, customer.revenue) == (0, 0, {"EUR": 0})


COST: Final = {"margin": {"amount": 300, "currency": "EUR"}}


SUMS: Final = {
    "orders add up": (buys(0, 1), 2, {"EUR": 2000}),
    "one sum per currency, never added across": (
        [*buys(0), *buys(1, total={"amount": 500, "currency": "JPY"})],
        2,
        {"EUR": 1000, "JPY": 500},
    ),
    "a refund takes away its part": ([*buys(0), *refunds(1, "o0", 300)], 1, {"EUR": 700}),
    "a refund above the total takes the total": (
        [*buys(0, 1), *refunds(2, "o0", 9999)],
        1,
        {"EUR": 1000},
    ),
    "two refunds above the total take the total": (
        [*buys(0, 1), *refunds(2, "o0", 800), *refunds(3, "o0", 800)],
        1,
        {"EUR": 1000},
    ),
    "a cancellation after a refund takes the rest": (
        [*buys(0, 1), *refunds(2, "o0", 300), *cancels_order(3, "o0")],
        1,
        {"EUR": 1000},
    ),
    "a refund after a cancellation takes nothing": (
        [*buys(0, 1), *cancels_order(2, "o0"), *refunds(3, "o0", 300)],
        1,
        {"EUR": 1000},
    ),
    "a refund in another currency takes nothing": (
        [*buys(0), *refunds(1, "o0", 300, "USD")],
        1,
        {"EUR": 1000},
    ),
    "a refund of an unknown order takes nothing": (
        [*buys(0), *refunds(1, "o7", 300)],
        1,
        {"EUR": 1000},
    ),
    "a refund that came first takes its part too": (
        [*refunds(0, "o1", 300), *buys(1)],
        1,
        {"EUR": 700},
    ),
    "a cancellation that came first takes all": (
        [*buys(0), *cancels_order(0.5, "o1"), *buys(1)],
        1,
        {"EUR": 1000},
    ),
    "an order twice under two event ids counts once": (
        [*buys(0), *completes_again("o0", 1)],
        1,
        {"EUR": 1000},
    ),
}


@pytest.mark.parametrize("name", SUMS)
def test_revenue_is_what_stands(name: str) -> None:
    events, orders, revenue = SUMS[name]
    customer, _, _ = live(events, 10, Policy()).parts
    assert (customer.orders, customer.revenue) == (orders, revenue)


def test_a_refund_takes_its_share_of_the_margin() -> None:
    customer, _, _ = live(
        [*buys(0, 1, **COST), *refunds(2, "o0", 500), *cancels_order(3, "o1")], 10, Policy()
    ).parts
    assert customer.margin == {"EUR": 150}


def test_a_margin_in_another_currency_than_the_total_is_none() -> None:
    customer, _, _ = live(buys(0, margin={"amount": 300, "currency": "USD"}), 10, Policy()).parts
    assert customer.margin == {}


def test_sums_are_listed_by_currency() -> None:
    assert [(money.amount, money.currency) for money in to_money({"USD": 2, "EUR": 1})] == [
        (1, "EUR"),
        (2, "USD"),
    ]
