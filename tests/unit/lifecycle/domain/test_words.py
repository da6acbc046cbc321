"""The rules in words: doing exactly what a rule lacks makes it fire, and none fires unforeseen."""

from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import pytest
from hypothesis import given

from services.lifecycle.api.naming import Naming
from services.lifecycle.customers.snapshot import CustomerSnapshot
from services.lifecycle.domain.due_dates import next_move
from services.lifecycle.domain.effects.by_kind import apply_event
from services.lifecycle.domain.fold import advance, fold, pass_time
from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.rules.table import RULES
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.happenings import SORT_KEY, EventKind, Happening
from services.lifecycle.domain.state.orders import Orders
from services.lifecycle.domain.state.phases import Phase, RuleName
from services.lifecycle.domain.words.causes import (
    CAUSE_TEXTS,
    describe_cause,
    remedies_needed,
    remedy_for,
)
from services.lifecycle.domain.words.rules import RULE_TEXTS, open_rules
from services.lifecycle.domain.words.standpoint import Standpoint, format_instant
from services.lifecycle.explain.schemas import ExplainedCustomer, Explanation
from shared.events.transitions import Transition
from shared.http import Language
from tests.support.builders import day
from tests.support.customer_events import RawEvent, does
from tests.support.feedback_events import annuls, answers, complains, refers, resolves, scores
from tests.support.lives import BUILT_IN, THRICE, VIEWED, describe, happenings, live
from tests.support.purchase_events import (
    buys,
    cancels_order,
    concludes,
    gives_notice,
    refunds,
    renews,
)
from tests.support.random_lives import END, POLICY, lives, sampled

CLOSED: Final = does("customer.closed", 5)
SHARE: Final = Policy(revenue_decline_share=0.5)
CONTACT: Final = Policy(contact_days=20)


@dataclass(frozen=True)
class Case:
    """A life until a day, what a rule lacks then, and the events, or the day, that bring it."""

    rule: str
    events: list[RawEvent]
    until: float
    lacks: str
    do: list[RawEvent]
    fires: str
    due: float | None = None
    policy: Policy = BUILT_IN


EVENTS: Final = {
    "a prospect's first order": Case(
        "first_purchase", VIEWED, 1, "a first order or contract", buys(2), "2 first_purchase new"
    ),
    "a faded prospect's first contract": Case(
        "first_purchase",
        VIEWED,
        400,
        "a first order or contract",
        concludes(401),
        "401 first_purchase new",
    ),
    "a closed prospect's first order": Case(
        "first_purchase",
        [*VIEWED, *CLOSED],
        6,
        "a first order or contract",
        buys(7),
        "7 first_purchase new",
    ),
    "a sign of life of a faded prospect": Case(
        "first_contact",
        VIEWED,
        400,
        "any event but a purchase or a recommendation",
        does("message.opened", 401),
        "401 first_contact prospect",
    ),
    "the orders that form a habit": Case(
        "habit_formed", buys(0), 1, "2 more orders", buys(2, 3), "3 habit_formed established"
    ),
    "the order that forms a habit": Case(
        "habit_formed", buys(0, 1), 2, "1 more order", buys(3), "3 habit_formed established"
    ),
    "the renewal that forms a habit": Case(
        "habit_formed",
        concludes(0),
        1,
        "a renewal of contract v",
        renews(2),
        "2 habit_formed established",
    ),
    "the renewal of one of two contracts": Case(
        "habit_formed",
        [*concludes(0), *concludes(0.5, of="w")],
        1,
        "a renewal of one of the contracts v, w",
        renews(2, of="w"),
        "2 habit_formed established",
    ),
    "a recommendation by a prospect": Case(
        "recommends", VIEWED, 1, "a successful recommendation", refers(2), "2 recommends advocate"
    ),
    "praise by an established customer": Case(
        "recommends",
        THRICE,
        3,
        "an NPS of 9 or 10, or a public review of 5 stars",
        scores(4, "review", 5, public=True),
        "4 recommends advocate",
    ),
    "praise after a mild complaint": Case(
        "recommends",
        [*THRICE, *complains(3, severity=1)],
        3.5,
        "complaint k resolved, then an NPS of 9 or 10, or a public review of 5 stars",
        [*resolves(3.6), *scores(3.7, "nps", 9)],
        "3.7 recommends advocate",
    ),
    "a lukewarm advocate": Case(
        "enthusiasm_faded",
        [*THRICE, *refers(3)],
        4,
        "an NPS of 8 or less",
        scores(5, "nps", 8),
        "5 enthusiasm_faded established",
    ),
    "the only evidence annulled": Case(
        "enthusiasm_faded",
        refers(3),
        4,
        "the recommendation annulled, the only evidence",
        annuls(5),
        "5 enthusiasm_faded prospect",
    ),
    "a low score": Case(
        "dissatisfied",
        buys(0),
        1,
        "an NPS of 6 or less, a CSAT of 2 or less, or a review of 2 stars or less",
        scores(2, "csat", 2),
        "2 dissatisfied at_risk",
    ),
    "a complaint": Case(
        "dissatisfied",
        buys(0),
        1,
        "a complaint of severity 2 or 3",
        complains(2),
        "2 dissatisfied at_risk",
    ),
    "the newsletter": Case(
        "bond_weakens",
        buys(0),
        1,
        "the newsletter cancelled",
        does("newsletter.unsubscribed", 2),
        "2 bond_weakens at_risk",
    ),
    "less revenue": Case(
        "bond_weakens",
        THRICE,
        80,
        "revenue of 90 days below 50% of that of the 90 days before, with 3 orders in those",
        buys(93, total={"amount": 100, "currency": "EUR"}),
        "93 bond_weakens at_risk",
        policy=Policy(revenue_decline_share=0.5, at_risk_days=100),
    ),
    "notice of an end": Case(
        "cancellation_announced",
        concludes(0),
        1,
        "notice of a later end of contract v",
        gives_notice(2, 20),
        "2 cancellation_announced at_risk",
    ),
    "recovery from silence": Case(
        "recovered",
        buys(0),
        100,
        "an order, or a contract concluded or renewed",
        buys(101),
        "101 recovered new",
    ),
    "recovery from a low score and a complaint": Case(
        "recovered",
        [*buys(0), *scores(1, "nps", 3), *complains(2)],
        3,
        "complaint k resolved to the customer's satisfaction; and an NPS of 7 or more",
        [*resolves(4), *scores(5, "nps", 7)],
        "5 recovered new",
    ),
    "recovery from an overdue answer": Case(
        "recovered",
        [*buys(0), *complains(1, severity=1)],
        3,
        "an answer to complaint k",
        answers(4),
        "4 recovered new",
    ),
    "recovery from a notice given, and from silence": Case(
        "recovered",
        [*concludes(0, months=12), *gives_notice(2, 300)],
        3,
        "a contract renewed or newly concluded",
        renews(4),
        "4 recovered new",
    ),
    "recovery by the newsletter": Case(
        "recovered",
        [*buys(0), *does("newsletter.unsubscribed", 1)],
        2,
        "a newsletter subscription, an order, or a contract concluded or renewed",
        does("newsletter.subscribed", 3),
        "3 recovered new",
    ),
    "recovery by any activity": Case(
        "recovered",
        [*buys(0), *VIEWED],
        30,
        "any activity of the customer",
        does("message.opened", 31),
        "31 recovered new",
        policy=CONTACT,
    ),
    "the account closed": Case(
        "relationship_ended",
        buys(0),
        1,
        "the account closed",
        CLOSED,
        "5 relationship_ended former",
    ),
    "the only contract cancelled": Case(
        "relationship_ended",
        concludes(0),
        1,
        "contract v cancelled at once",
        gives_notice(2),
        "2 relationship_ended former",
    ),
    "a return": Case(
        "returned", buys(0), 200, "an order or a contract", buys(201), "201 returned won_back"
    ),
    "a return after closing": Case(
        "returned",
        [*buys(0), *CLOSED],
        6,
        "an order or a contract",
        concludes(7),
        "7 returned won_back",
    ),
    "the order that settles": Case(
        "settled", buys(0, 200), 201, "1 more order", buys(202), "202 settled established"
    ),
    "the renewal that settles": Case(
        "settled",
        [*buys(0), *concludes(200)],
        201,
        "a renewal of contract v",
        renews(202),
        "202 settled established",
    ),
    "the only order undone": Case(
        "first_purchase_undone",
        buys(0),
        1,
        "the order since the first purchase cancelled or wholly refunded",
        refunds(2, "o0"),
        "2 first_purchase_undone prospect",
    ),
    "all orders undone": Case(
        "first_purchase_undone",
        buys(0, 1),
        2,
        "both orders since the first purchase cancelled or wholly refunded",
        [*cancels_order(3, "o1"), *refunds(4, "o0")],
        "4 first_purchase_undone prospect",
    ),
    "the return undone": Case(
        "first_purchase_undone",
        buys(0, 200),
        201,
        "the order since the return cancelled or wholly refunded",
        cancels_order(202, "o200"),
        "202 first_purchase_undone inactive",
    ),
}

TIME: Final = {
    "silence": Case(
        "silence_begins",
        buys(0),
        1,
        "no order until 2024-03-31T12:00Z",
        [],
        "90 silence_begins at_risk",
        90,
    ),
    "a long silence": Case(
        "fell_silent",
        buys(0),
        1,
        "no order until 2024-06-29T12:00Z",
        [],
        "180 fell_silent inactive",
        180,
    ),
    "a long silence after a contract that an order has outlived": Case(
        "fell_silent",
        [*concludes(0, months=12), *gives_notice(2, 200), *buys(3)],
        4,
        "no renewal of contract v and no order until 2024-07-19T12:00Z",
        [],
        "200 fell_silent inactive",
        200,
    ),
    "a long silence of one at risk": Case(
        "fell_silent",
        buys(0),
        100,
        "no order until 2024-06-29T12:00Z",
        [],
        "180 fell_silent inactive",
        180,
    ),
    "no praise": Case(
        "enthusiasm_faded",
        [*concludes(0, months=60), *refers(3)],
        4,
        "no further recommendation or praise until 2025-01-03T12:00Z",
        [],
        "368 enthusiasm_faded new",
        368,
    ),
    "no answer": Case(
        "dissatisfied",
        [*buys(0), *complains(1, severity=1)],
        1.5,
        "no answer to complaint k until 2024-01-03T12:00Z",
        [],
        "2 dissatisfied at_risk",
        2,
    ),
    "no contact": Case(
        "bond_weakens",
        [*buys(0), *VIEWED],
        1,
        "no session, page view or click until 2024-01-21T12:00Z",
        [],
        "20 bond_weakens at_risk",
        20,
        CONTACT,
    ),
    "no event of a prospect": Case(
        "prospect_faded",
        VIEWED,
        1,
        "no event of any kind until 2024-12-31T12:00Z",
        [],
        "365 prospect_faded inactive",
        365,
    ),
    "no event of an advocate who never bought": Case(
        "prospect_faded",
        [*refers(0), *refers(100, "cy")],
        101,
        "no event of any kind until 2025-04-10T12:00Z",
        [],
        "465 prospect_faded inactive",
        465,
    ),
    "no return": Case(
        "relationship_ended",
        buys(0),
        200,
        "no return until 2026-06-29T12:00Z",
        [],
        "910 relationship_ended former",
        910,
    ),
    "no renewal": Case(
        "relationship_ended",
        concludes(0),
        1,
        "no renewal of contract v until 2024-02-15T12:00Z",
        [],
        "45 relationship_ended former",
        45,
    ),
    "no renewal of any of two": Case(
        "relationship_ended",
        [*concludes(0), *concludes(0, months=2, of="w")],
        1,
        "no renewal of any of the contracts v, w until 2024-03-15T12:00Z",
        [],
        "74 relationship_ended former",
        74,
    ),
    "no renewal after notice, and no order": Case(
        "relationship_ended",
        [*concludes(0, months=12), *gives_notice(2, 20)],
        3,
        "no renewal of contract v and no order until 2024-01-21T12:00Z",
        [],
        "20 relationship_ended former",
        20,
    ),
}


def ways(customer: Customer, rule: str, policy: Policy) -> dict[str, datetime | None]:
    found = [
        ways
        for open_rule, ways in open_rules(Standpoint(customer, policy))
        if open_rule.name == rule
    ]
    return {way.lacks: way.deadline for way in found[0]} if found else {}


@pytest.mark.parametrize("case", EVENTS.values(), ids=EVENTS)
def test_doing_exactly_what_a_rule_lacks_makes_it_fire(case: Case) -> None:
    customer, before, _ = live(case.events, case.until, case.policy).parts
    assert ways(customer, case.rule, case.policy).get(case.lacks, case) is None
    done = fold(happenings([*case.events, *case.do]), case.policy)
    assert case.fires in describe(done.moves[len(before) :])
    short = fold(happenings([*case.events, *case.do[:-1]]), case.policy)
    assert case.rule not in [move.rule for move in short.moves[len(before) :]], (
        "less than that is not enough"
    )


@pytest.mark.parametrize("case", TIME.values(), ids=TIME)
def test_waiting_exactly_as_long_as_a_rule_lacks_makes_it_fire(case: Case) -> None:
    assert case.due is not None
    customer, before, _ = live(case.events, case.until, case.policy).parts
    assert ways(customer, case.rule, case.policy)[case.lacks] == day(case.due)
    assert case.fires in describe(live(case.events, case.due, case.policy).moves[len(before) :])
    assert case.fires not in describe(
        live(case.events, case.due - 0.001, case.policy).moves[len(before) :]
    )


def test_every_rule_is_in_words_and_has_a_case() -> None:
    assert list(RULE_TEXTS) == [rule.name for rule in RULES] == list(RuleName)
    assert {case.rule for case in [*EVENTS.values(), *TIME.values()]} == set(RuleName)
    by_time = {case.rule for case in TIME.values()}
    by_event = {case.rule for case in EVENTS.values()}
    assert {rule for rule, words in RULE_TEXTS.items() if words.by_time} == by_time
    assert {rule for rule, words in RULE_TEXTS.items() if words.by_event} == by_event


CANNOT: Final = {
    "a buyer's first purchase is behind it": Case("first_purchase", buys(0), 200, "", [], ""),
    "an inactive buyer is no faded prospect": Case("first_contact", buys(0), 200, "", [], ""),
    "silence is suspended while a contract runs": Case(
        "silence_begins", [*buys(0), *concludes(1)], 2, "", [], ""
    ),
    "so is the long one": Case("fell_silent", [*buys(0), *concludes(1)], 2, "", [], ""),
    "nobody cancels a contract that is not": Case("cancellation_announced", buys(0), 1, "", [], ""),
    "an unanswered complaint of one at risk puts at no further risk": Case(
        "dissatisfied",
        [*buys(0), *does("newsletter.unsubscribed", 1), *complains(2, severity=1)],
        2.5,
        "",
        [],
        "",
    ),
    "contact of a prospect does not fade into risk": Case(
        "bond_weakens", VIEWED, 1, "", [], "", policy=CONTACT
    ),
    "a contract stands for the purchase": Case(
        "first_purchase_undone", [*buys(0), *concludes(1)], 2, "", [], ""
    ),
    "an advocate who has bought does not fade like a prospect": Case(
        "prospect_faded", [*buys(0), *refers(1)], 2, "", [], ""
    ),
}


@pytest.mark.parametrize("case", CANNOT.values(), ids=CANNOT)
def test_what_cannot_fire_next_is_not_listed(case: Case) -> None:
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


# -- causes ----------------------------------------------------------------------------------------


def test_every_cause_has_a_meaning_and_an_end() -> None:
    about = {"score": "score:nps", "complaint": "complaint:k", "cancellation": "cancellation:v"}
    for prefix in CAUSE_TEXTS:
        cause = about.get(prefix, prefix)
        assert describe_cause(cause)
        remedy = remedy_for(Customer(), cause)
        assert remedy.words
        assert remedy.on
    assert describe_cause("complaint:a:b") == "complaint a:b is not settled"


def test_what_ends_one_cause_is_not_asked_for_twice() -> None:
    causes = frozenset({"silence", "newsletter", "contact", "score:csat", "complaint:k"})
    words = [
        remedy.words for remedy in remedies_needed(Customer(phase=Phase.AT_RISK, causes=causes))
    ]
    assert words == [
        "an order, or a contract concluded or renewed",
        "complaint k resolved to the customer's satisfaction",
        "a CSAT of 3 or more",
    ]


def test_instants_are_written_to_the_minute_unless_they_are_finer() -> None:
    assert format_instant(day(0)) == "2024-01-01T12:00Z"
    assert format_instant(day(1 / 86400)) == "2024-01-01T12:00:01Z"


# -- sentences -------------------------------------------------------------------------------------


def explained(events: list[RawEvent], until: float, policy: Policy = BUILT_IN) -> Explanation:
    customer, moves, _ = live(events, until, policy).parts
    last = moves[-1]
    describe = {name: getattr(last, name) for name in Move.__struct_fields__ if name != "since"}
    transition = Transition(customer="ada", version=1, recorded_at=day(until), **describe)
    facts = frozenset[CustomerFact]()
    ahead = next_move(customer, policy)
    standing = CustomerSnapshot("ada", customer, 1, False, day(until), facts, ahead, facts)
    return ExplainedCustomer(
        standing,
        Standpoint(customer, policy),
        transition,
        facts,
        (),
        Naming(None, Language.ENGLISH),
    ).view()


SAID: Final = {
    "Customer ada has been a prospect since 1 January 2024: the customer was heard of."
    " To be a new customer, this is lacking: a first order or contract."
    " If nothing happens before,"
    " the customer will be an inactive customer from 31 December 2024 on.": (
        VIEWED,
        1,
    ),
    "Customer ada has been an established customer since 3 January 2024:"
    " buying has become a habit (3 orders)."
    " To be an advocate, this is lacking:"
    " a successful recommendation, or an NPS of 9 or 10, or a public review of 5 stars."
    " If nothing happens before, the customer will be at risk from 2 April 2024 on.": (THRICE, 3),
    "Customer ada has been an advocate since 4 January 2024:"
    " the customer recommended or praised the shop."
    " If nothing happens before, the customer will be at risk from 2 April 2024 on.": (
        [*THRICE, *refers(3)],
        4,
    ),
    "Customer ada has been an inactive customer since 29 June 2024:"
    " there has been no order since 1 January 2024."
    " To be a won-back customer, this is lacking: an order or a contract."
    " If nothing happens before, the customer will be a former customer from 29 June 2026 on.": (
        buys(0),
        200,
    ),
    "Customer ada has been at risk since 2 January 2024: the last NPS score was low."
    " To be a new customer again, this is lacking: an NPS of 7 or more."
    " If nothing happens before, the customer will be an inactive customer from 29 June 2024 on.": (
        [*buys(0), *scores(1, "nps", 2)],
        2,
    ),
    "Customer ada has been a former customer since 6 January 2024:"
    " the account was closed, or the last contract cancelled."
    " To be a won-back customer, this is lacking: an order or a contract.": (
        [*buys(0), *CLOSED],
        6,
    ),
}


@pytest.mark.parametrize("said", SAID)
def test_a_summary_can_be_read_out(said: str) -> None:
    assert explained(*SAID[said]).summary == said


def test_every_event_that_a_way_names_is_of_the_catalogue_and_means_that_to_the_rule() -> None:
    for case in [*EVENTS.values(), *TIME.values()]:
        rules = explained(case.events, case.until, case.policy).rules
        ways = [
            way
            for rule in rules
            if rule.rule == case.rule
            for way in rule.ways
            if way.lacks == case.lacks
        ]
        assert len(ways) == 1
        assert bool(ways[0].on) != (ways[0].deadline is not None)
        if case.do:
            assert case.do[-1]["type"] in ways[0].on


def test_the_figures_of_the_cadence_model_are_told_where_a_fit_is_in_force() -> None:
    fit = Fit(
        7, day(-10), r=0.55, alpha=10.0, a=0.8, b=2.5, p=6.0, q=4.0, gamma=1500.0, currency="EUR"
    )
    describe = explained(THRICE, 30, replace(BUILT_IN, fits=(fit,))).cadence
    assert describe is not None
    assert (describe.fit, describe.currency, describe.horizon_days) == (7, "EUR", 180)
    assert 0 < describe.p_no_purchase < 1
    assert describe.clv
    assert explained(THRICE, 30).cadence is None


# -- completeness ----------------------------------------------------------------------------------


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
    orders = Orders()

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
