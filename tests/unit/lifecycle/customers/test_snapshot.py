"""A customer is judged by the policies in force, as of the clock or its last event."""

from typing import Final

from services.lifecycle.customers.snapshot import judge
from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from tests.support.builders import day
from tests.support.customer_events import does
from tests.support.lives import happenings
from tests.support.purchase_events import buys

BUILT_IN: Final = Activation(0, day(-1000), Policy())
STRICTER: Final = Activation(3, day(5), Policy(version=2, at_risk_days=60))
BEFORE: Final = Schedule([BUILT_IN])
AFTER: Final = Schedule([BUILT_IN, STRICTER])
BUYER: Final = fold(happenings(buys(0)), BEFORE, until=day(1)).customer


def test_what_was_activated_since_is_applied() -> None:
    judged = judge(BUYER, BEFORE)
    assert judged.next_move is not None
    assert judged.next_move.occurred_at == day(90)

    judged = judge(BUYER, AFTER)
    assert judged.next_move is not None
    assert judged.next_move.occurred_at == day(60)
    assert judged.customer.known == 3


def test_a_customer_who_knows_all_policies_stays_the_same() -> None:
    known = judge(BUYER, AFTER).customer
    assert judge(known, AFTER).customer is known


def test_a_customer_is_shown_as_of_the_clock_and_its_next_move() -> None:
    assert judge(BUYER, BEFORE).instants(day(20)) == (day(20), day(90))


def test_a_customer_ahead_of_the_clock_is_shown_as_of_its_last_event() -> None:
    assert judge(BUYER, BEFORE).instants(day(-1)) == (BUYER.now, day(90))


def test_without_a_next_move_both_instants_are_the_same() -> None:
    former = fold(
        happenings([*buys(0), *does("customer.closed", 5)]), BEFORE, until=day(6)
    ).customer
    judged = judge(former, BEFORE)
    assert judged.next_move is None
    assert judged.instants(day(20)) == (day(20), day(20))
