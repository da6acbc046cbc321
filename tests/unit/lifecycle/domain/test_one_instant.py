"""Events of one instant are taken cause before effect, whatever their ids and arrival."""

from itertools import permutations
from typing import Final

import pytest

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.policy import Policy
from tests.support.builders import day
from tests.support.customer_events import RawEvent, does
from tests.support.feedback_events import annuls, answers, complains, refers, resolves, scores
from tests.support.lives import Case, describe, happenings
from tests.support.purchase_events import (
    buys,
    cancels_order,
    concludes,
    gives_notice,
    refunds,
    renews,
)

NEW: Final = ["0 first_purchase new"]
RESOLVED: Final = [*NEW, "5 dissatisfied at_risk", "5 recovered new"]


def numbered(*events: list[RawEvent]) -> list[RawEvent]:
    """Return the events with ids that sort against their order: the last first."""
    flat = [raw for group in events for raw in group]
    return [{**raw, "id": f"evt-{len(flat) - number}"} for number, raw in enumerate(flat)]


CASES: Final = {
    "a complaint is opened before it is resolved": Case(
        numbered(buys(0), complains(5), resolves(5)), 10, RESOLVED
    ),
    "a slight complaint is answered before it is overdue": Case(
        numbered(buys(0), complains(5, severity=1), answers(5)), 10, NEW
    ),
    "a complaint is answered before it is resolved": Case(
        numbered(buys(0), complains(5), answers(5), resolves(5)), 10, RESOLVED
    ),
    "a newsletter is subscribed to before it is cancelled": Case(
        numbered(buys(0), does("newsletter.subscribed", 5), does("newsletter.unsubscribed", 5)),
        10,
        [*NEW, "5 bond_weakens at_risk"],
        ("newsletter",),
    ),
    "a contract is concluded before it is renewed": Case(
        numbered(concludes(0), renews(0)), 1, [*NEW, "0 habit_formed established"]
    ),
    "a contract is concluded before it is cancelled": Case(
        numbered(concludes(0), gives_notice(0)),
        1,
        [*NEW, "0 relationship_ended former"],
    ),
    "a contract is renewed before notice is given": Case(
        numbered(concludes(0), renews(5), gives_notice(5, effective=40)),
        10,
        [*NEW, "5 habit_formed established", "5 cancellation_announced at_risk"],
        ("cancellation:v",),
    ),
    "an order is completed before it is cancelled": Case(
        numbered(buys(0), cancels_order(0, "o0")),
        1,
        [*NEW, "0 first_purchase_undone prospect"],
    ),
    "an order is completed before it is refunded": Case(
        numbered(buys(0), refunds(0, "o0")), 1, [*NEW, "0 first_purchase_undone prospect"]
    ),
    "a referral succeeds before it is annulled": Case(
        numbered(buys(0), refers(5), annuls(5)),
        10,
        [*NEW, "5 recommends advocate", "5 enthusiasm_faded new"],
    ),
    "a customer signs up before buying": Case(
        numbered(does("customer.signed_up", 0), buys(0)),
        1,
        ["0 first_contact prospect", *NEW],
    ),
    "a customer buys before closing the account": Case(
        numbered(buys(0), does("customer.closed", 0)),
        1,
        [*NEW, "0 relationship_ended former"],
    ),
    "consent makes nobody known before the first purchase": Case(
        numbered(
            does("consent.granted", 0, channel="email", purpose="news"),
            buys(0),
            does("consent.withdrawn", 0, channel="email", purpose="news"),
        ),
        1,
        NEW,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_causes_come_before_effects(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_neither_ids_nor_the_order_of_arrival_matter(case: Case) -> None:
    for events in permutations(case.events):
        renamed = [{**raw, "id": f"e{number}"} for number, raw in enumerate(events)]
        folded = fold(happenings(renamed), Policy(), until=day(case.until))
        assert describe(folded.moves) == case.moves


def test_events_of_two_merged_customers_that_are_equal_in_all_else_have_an_order() -> None:
    """Both had a score under the id 1 from the same source at the same instant."""
    low, high = scores(5, "nps", 0)[0], scores(5, "nps", 10)[0]
    merged = [
        {**low, "id": "1", "mergedfrom": "bea"},
        {**high, "id": "1", "mergedfrom": "amy"},
    ]
    one, other = (
        fold(happenings([*buys(0), *some]), Policy(), until=day(10))
        for some in (merged, merged[::-1])
    )
    assert describe(one.moves) == describe(other.moves) == [*NEW, "5 dissatisfied at_risk"]
    assert one.customer == other.customer
