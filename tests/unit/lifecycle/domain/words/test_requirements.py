"""What a rule lacks: doing exactly that makes it fire, and none fires unforeseen."""

from copy import deepcopy
from datetime import datetime
from typing import Final

import pytest
from hypothesis import given

from services.lifecycle.domain.due_dates import next_move
from services.lifecycle.domain.effects.by_kind import apply_event
from services.lifecycle.domain.fold import advance, fold, pass_time
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.rules.table import RULES
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.happenings import SORT_KEY, EventKind, Happening
from services.lifecycle.domain.state.phases import RuleName
from services.lifecycle.domain.words.rules import RULE_TEXTS, open_rules
from services.lifecycle.domain.words.standpoint import Standpoint
from shared.orders.book import OrderBook
from tests.support.builders import day
from tests.support.customer_events import does
from tests.support.feedback_events import complains, refers
from tests.support.lives import BUILT_IN, VIEWED, describe, happenings, live
from tests.support.purchase_events import (
    buys,
    concludes,
    gives_notice,
)
from tests.support.random_lives import END, POLICY, lives, sampled
from tests.support.rule_cases import BY_EVENT, BY_TIME, CONTACT, RuleCase


def ways(customer: Customer, rule: str, policy: Policy) -> dict[str, datetime | None]:
    found = [
        ways
        for open_rule, ways in open_rules(Standpoint(customer, policy))
        if open_rule.name == rule
    ]
    return {way.lacks: way.deadline for way in found[0]} if found else {}


@pytest.mark.parametrize("case", BY_EVENT.values(), ids=BY_EVENT)
def test_doing_exactly_what_a_rule_lacks_makes_it_fire(case: RuleCase) -> None:
    customer, before, _ = live(case.events, case.until, case.policy).parts
    assert ways(customer, case.rule, case.policy).get(case.lacks, case) is None
    done = fold(happenings([*case.events, *case.do]), case.policy)
    assert case.fires in describe(done.moves[len(before) :])
    short = fold(happenings([*case.events, *case.do[:-1]]), case.policy)
    assert case.rule not in [move.rule for move in short.moves[len(before) :]], (
        "less than that is not enough"
    )


@pytest.mark.parametrize("case", BY_TIME.values(), ids=BY_TIME)
def test_waiting_exactly_as_long_as_a_rule_lacks_makes_it_fire(case: RuleCase) -> None:
    assert case.due is not None
    customer, before, _ = live(case.events, case.until, case.policy).parts
    assert ways(customer, case.rule, case.policy)[case.lacks] == day(case.due)
    assert case.fires in describe(live(case.events, case.due, case.policy).moves[len(before) :])
    assert case.fires not in describe(
        live(case.events, case.due - 0.001, case.policy).moves[len(before) :]
    )


def test_every_rule_is_in_words_and_has_a_case() -> None:
    assert list(RULE_TEXTS) == [rule.name for rule in RULES] == list(RuleName)
    assert {case.rule for case in [*BY_EVENT.values(), *BY_TIME.values()]} == set(RuleName)
    by_time = {case.rule for case in BY_TIME.values()}
    by_event = {case.rule for case in BY_EVENT.values()}
    assert {rule for rule, words in RULE_TEXTS.items() if words.by_time} == by_time
    assert {rule for rule, words in RULE_TEXTS.items() if words.by_event} == by_event


CANNOT: Final = {
    "a buyer's first purchase is behind it": RuleCase("first_purchase", buys(0), 200, "", [], ""),
    "an inactive buyer is no faded prospect": RuleCase("first_contact", buys(0), 200, "", [], ""),
    "silence is suspended while a contract runs": RuleCase(
        "silence_begins", [*buys(0), *concludes(1)], 2, "", [], ""
    ),
    "so is the long one": RuleCase("fell_silent", [*buys(0), *concludes(1)], 2, "", [], ""),
    "nobody cancels a contract that is not": RuleCase(
        "cancellation_announced", buys(0), 1, "", [], ""
    ),
    "an unanswered complaint of one at risk puts at no further risk": RuleCase(
        "dissatisfied",
        [*buys(0), *does("newsletter.unsubscribed", 1), *complains(2, severity=1)],
        2.5,
        "",
        [],
        "",
    ),
    "contact of a prospect does not fade into risk": RuleCase(
        "bond_weakens", VIEWED, 1, "", [], "", policy=CONTACT
    ),
    "a contract stands for the purchase": RuleCase(
        "first_purchase_undone", [*buys(0), *concludes(1)], 2, "", [], ""
    ),
    "an advocate who has bought does not fade like a prospect": RuleCase(
        "prospect_faded", [*buys(0), *refers(1)], 2, "", [], ""
    ),
}


@pytest.mark.parametrize("case", CANNOT.values(), ids=CANNOT)
def test_what_cannot_fire_next_is_not_listed(case: RuleCase) -> None:
    assert not ways(live(case.events, case.until, case.policy).customer, case.rule, case.policy)


def test_praise_counts_only_from_the_established() -> None:
    assert list(ways(live(buys(0), 1, BUILT_IN).customer, "recommends", BUILT_IN)) == [
        "a successful recommendation"
    ]


def test_an_order_after_the_notice_keeps_the_relationship() -> None:
    events = [*concludes(0, months=12), *gives_notice(2, 20), *buys(3)]
    assert not any(
        ways(live(events, 4, BUILT_IN).customer, "relationship_ended", BUILT_IN).values()
    )
    assert "relationship_ended" not in [move.rule for move in live(events, 60, BUILT_IN).moves]


def test_a_deadline_is_told_by_the_policy_that_will_be_in_force() -> None:
    stricter = Policy(version=2, at_risk_days=60)
    schedule = Schedule([Activation(0, day(-1000), BUILT_IN), Activation(1, day(70), stricter)])
    customer = fold(happenings(buys(0)), schedule, until=day(1)).customer
    (deadline,) = [
        ways[0].deadline
        for rule, ways in open_rules(Standpoint(customer, schedule))
        if rule.name == "silence_begins"
    ]
    assert deadline == day(70)
    assert (
        describe(fold(happenings(buys(0)), schedule, until=day(71)).moves)[1]
        == "70 silence_begins at_risk"
    )


def test_a_lower_threshold_waits_for_any_event() -> None:
    lower = Policy(version=2, established_after_orders=2)
    schedule = Schedule([Activation(0, day(-1000), BUILT_IN), Activation(1, day(10), lower)])
    events = [*buys(0, 1), *does("page.viewed", 20, 21)]
    customer, moves, _ = fold(happenings(events[:2]), schedule, until=day(1)).parts
    assert len(moves) == 1
    customer = fold(happenings(events[:2]), schedule, until=day(11)).customer
    assert describe(fold(happenings(events), schedule).moves)[1:] == ["20 habit_formed established"]
    (ways,) = [
        ways
        for rule, ways in open_rules(Standpoint(customer, lower))
        if rule.name == "habit_formed"
    ]
    assert [way.lacks for way in ways] == ["any further event"]


def foresees(before: Customer, move: Move, kinds: set[EventKind]) -> bool:
    """Could the first move after a state fire, by this deadline or on one of these kinds?"""
    ways = [
        way
        for rule, ways in open_rules(Standpoint(before, POLICY))
        if rule.name == move.rule
        for way in ways
    ]
    if move.evidence.deadline is not None:
        return any(way.deadline == move.occurred_at for way in ways)
    return any(way.on & kinds for way in ways)


@sampled(300)
@given(lives())
def test_no_rule_fires_that_was_not_listed(events: list[Happening]) -> None:
    customer = Customer()
    orders = OrderBook()

    def let_pass(customer: Customer, until: datetime) -> Customer:
        while customer.wakes_at is not None and customer.wakes_at <= until:
            before = customer
            customer, moves, _ = pass_time(before, customer.wakes_at, POLICY).parts
            assert not moves or foresees(before, moves[0], set()), (moves, before)
        return customer

    for happening in sorted(events, key=SORT_KEY):
        before = let_pass(customer, happening.time)
        kind = apply_event(before, happening, POLICY, deepcopy(orders)).kind
        customer, moves, _ = advance(before, happening, POLICY, orders).parts
        assert not moves or foresees(before, moves[0], {kind, happening.kind}), (moves, before)
        ahead = next_move(customer, POLICY)
        assert ahead is None or foresees(customer, ahead, set()), (ahead, customer)
    let_pass(customer, END)
