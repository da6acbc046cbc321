"""Contradictory histories have a defined effect: the second table of docs/events.md, by row."""

from dataclasses import dataclass
from typing import Final

import pytest

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.events import read
from shared.errors import Poison
from shared.events.envelope import decode
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.support.builders import encode
from tests.support.customer_events import RawEvent, again, does
from tests.support.feedback_events import answers, complains, resolves, scores
from tests.support.lives import describe, live
from tests.support.purchase_events import (
    buys,
    cancels_order,
    concludes,
    gives_notice,
    refunds,
    renews,
)

NEW: Final = "0 first_purchase new"


@dataclass(frozen=True)
class Contradiction:
    """The events, and the outcome on day 10; contracts and complaints are counted while open."""

    events: list[RawEvent]
    moves: list[str]
    orders: int
    revenue: dict[str, int]
    contracts: int = 0
    complaints: int = 0


CASES: Final = {
    "a contract renewed before it was concluded is concluded by the renewal": Contradiction(
        [*renews(0), *concludes(5, 12)], [NEW], 0, {}, contracts=1
    ),
    "a contract cancelled that nobody has heard of is none": Contradiction(
        gives_notice(0), ["0 first_contact prospect"], 0, {}
    ),
    "a complaint answered before it was opened is open": Contradiction(
        [*buys(0), *answers(1), *complains(2, 1)],
        [NEW, "3 dissatisfied at_risk"],
        1,
        {"EUR": 1000},
        complaints=1,
    ),
    "a complaint resolved before it was opened is open": Contradiction(
        [*buys(0), *resolves(1), *complains(2)],
        [NEW, "2 dissatisfied at_risk"],
        1,
        {"EUR": 1000},
        complaints=1,
    ),
    "a complaint opened again has the higher severity": Contradiction(
        [*buys(0), *complains(1, 1), *complains(1.5, 3), *complains(1.6, 1)],
        [NEW, "1.5 dissatisfied at_risk"],
        1,
        {"EUR": 1000},
        complaints=1,
    ),
    "a contract renewed after the account was closed is concluded anew": Contradiction(
        [*concludes(0, 12), *does("customer.closed", 1), *renews(2)],
        [NEW, "1 relationship_ended former", "2 returned won_back"],
        0,
        {},
        contracts=1,
    ),
    "refunds above the total undo the whole order and no more": Contradiction(
        [*buys(0, 1), *refunds(2, "o1", 700), *refunds(3, "o1", 900)], [NEW], 1, {"EUR": 1000}
    ),
    "a refund of an unknown order waits for it": Contradiction(
        [*refunds(0, "o1", 400), *buys(1)],
        ["0 first_contact prospect", "1 first_purchase new"],
        1,
        {"EUR": 600},
    ),
    "an order wholly undone before it was completed is none": Contradiction(
        [*cancels_order(0, "o1"), *buys(1)], ["0 first_contact prospect"], 0, {}
    ),
    "a refund of an order that never comes changes nothing": Contradiction(
        [*buys(0), *refunds(1, "elsewhere")], [NEW], 1, {"EUR": 1000}
    ),
    "a refund in another currency changes no sum and no phase": Contradiction(
        [*buys(0), *refunds(1, "o0", 1000, "USD")], [NEW], 1, {"EUR": 1000}
    ),
    "an order under two event ids counts once": Contradiction(
        [
            *buys(0),
            *again(buys(0), id="other"),
            *again(buys(0), id="late", time="2024-01-04T12:00:00Z"),
        ],
        [NEW],
        1,
        {"EUR": 1000},
    ),
    "orders in a second currency have a sum of their own": Contradiction(
        [*buys(0, 1), *buys(2, total={"amount": 70, "currency": "JPY"})],
        [NEW, "2 habit_formed established"],
        3,
        {"EUR": 2000, "JPY": 70},
    ),
    "an order with a total of 0 counts": Contradiction(
        buys(0, total={"amount": 0, "currency": "EUR"}), [NEW], 1, {"EUR": 0}
    ),
    "of feedback of one kind the later score holds": Contradiction(
        [*buys(0), *scores(1, "nps", 0), *scores(2, "nps", 8)],
        [NEW, "1 dissatisfied at_risk", "2 recovered new"],
        1,
        {"EUR": 1000},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_has_a_defined_effect(case: Contradiction) -> None:
    customer, moves, _ = live(case.events, 10, Policy()).parts
    assert describe(moves) == case.moves
    assert (customer.orders, customer.revenue) == (case.orders, case.revenue)
    assert (len(customer.contracts), len(customer.complaints)) == (case.contracts, case.complaints)


def test_a_contract_concluded_after_its_renewal_is_no_second_contract() -> None:
    customer = live([*renews(0), *concludes(5, 12)], 10, Policy()).customer
    assert customer.contracts_ever == 1


def test_a_margin_in_another_currency_is_left_out() -> None:
    told_apart = buys(0, margin={"amount": 300, "currency": "USD"}) + buys(
        1, margin={"amount": 200, "currency": "EUR"}
    )
    assert live(told_apart, 2, Policy()).customer.margin == {"EUR": 200}


@pytest.mark.parametrize(
    "wrong",
    [
        buys(0, total={"amount": -1, "currency": "EUR"}),
        refunds(0, "o", -5),
        scores(0, "stars", 5),
        scores(0, "nps", 99999999999),
        scores(0, "nps", -1),
        complains(0, 4),
        concludes(0, 0),
        concludes(0, renews_at="2024-05-01T12:00:00"),
        does("contract.cancelled", 0, contract_id="v", effective_at="2024-05-01T12:00:00"),
        does("contract.cancelled", 0, contract_id="v", effective_at="9999-12-31T23:59:59-12:00"),
        does("order.completed", 0),
        concludes(0, of="v" * 201),
        complains(0, of="k" * 201),
        does("complaint.opened", 0, complaint_id="k", topic="t" * 201),
        does("complaint.opened", 0, complaint_id="k", topic={"not": "a word"}),
        does("customer.merged", 0, into="a" * 129),
    ],
    ids=lambda events: f"{events[0]['type']} {events[0]['data']}"[:70],
)
def test_what_comes_past_ingest_and_cannot_be_is_a_dead_letter(wrong: list[RawEvent]) -> None:
    with pytest.raises(Poison) as poison:
        read(CUSTOMER_EVENTS, decode(encode(wrong[0])))
    assert poison.value.reason == "invalid_data"


def test_dates_at_the_end_of_time_bring_no_deadline_beyond_it() -> None:
    forever = concludes(0, 1200, renews_at="9998-12-31T23:59:59Z")
    customer = live([*forever, *renews(1, term_months=1200)], 10, Policy()).customer
    assert customer.phase == "established"
    assert customer.due is not None
    assert customer.due.year == 9998
