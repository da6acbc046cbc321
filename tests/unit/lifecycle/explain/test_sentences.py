"""A customer explained: the summary, and the events that would make a rule fire."""

from dataclasses import replace
from typing import Final

import pytest

from services.lifecycle.api.phase_names import Naming
from services.lifecycle.customers.snapshot import CustomerSnapshot
from services.lifecycle.domain.due_dates import next_move
from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Move
from services.lifecycle.domain.words.standpoint import Standpoint
from services.lifecycle.explain.schemas import ExplainedCustomer, Explanation
from shared.events.transitions import Transition
from shared.http import Language
from tests.support.builders import day
from tests.support.customer_events import RawEvent
from tests.support.feedback_events import refers, scores
from tests.support.lives import BUILT_IN, THRICE, VIEWED, live
from tests.support.purchase_events import buys, cancels_order, concludes, gives_notice
from tests.support.rule_cases import BY_EVENT, BY_TIME, CLOSED


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
    "Customer ada has been at risk since 3 January 2024: what put the customer at risk is over."
    " To be a new customer again, this is lacking: any further event."
    " If nothing happens before, the customer will be a former customer from 16 January 2025 on.": (
        [*concludes(0, months=12), *concludes(1, months=12, of="w"), *gives_notice(2, 20)],
        25,
    ),
    "Customer ada has been at risk since 2 January 2024: what put the customer at risk is over."
    " To be a new customer again, this is lacking: any further event."
    " If nothing happens before, the customer will be a former customer from 16 January 2025 on.": (
        [
            *concludes(0, months=12),
            *scores(1, "nps", 2),
            *concludes(1, months=12, of="w"),
            *gives_notice(2, 20),
            *scores(3, "nps", 7),
        ],
        25,
    ),
    "Customer ada has been a former customer since 6 January 2024:"
    " the account was closed, or the last contract cancelled."
    " To be a won-back customer, this is lacking: an order or a contract.": (
        [*buys(0), *CLOSED],
        6,
    ),
    "Customer ada has been a former customer since 15 February 2024: the last contract ran out."
    " To be a won-back customer, this is lacking: an order or a contract.": (concludes(0), 60),
    "Customer ada has been a former customer since 29 June 2026:"
    " the customer was inactive for too long."
    " To be a won-back customer, this is lacking: an order or a contract.": (buys(0), 1000),
    "Customer ada has been a prospect since 3 January 2024: every order so far was undone."
    " To be a new customer, this is lacking: a first order or contract."
    " If nothing happens before,"
    " the customer will be an inactive customer from 2 January 2025 on.": (
        [*buys(0), *cancels_order(2, "o0")],
        3,
    ),
    "Customer ada has been an inactive customer since 29 June 2024:"
    " every order since the return was undone."
    " To be a won-back customer, this is lacking: an order or a contract."
    " If nothing happens before, the customer will be a former customer from 29 June 2026 on.": (
        [*buys(0, 200), *cancels_order(201, "o200")],
        202,
    ),
}


@pytest.mark.parametrize("said", SAID)
def test_a_summary_can_be_read_out(said: str) -> None:
    assert explained(*SAID[said]).summary == said


def test_every_event_that_a_way_names_is_of_the_catalogue_and_means_that_to_the_rule() -> None:
    for case in [*BY_EVENT.values(), *BY_TIME.values()]:
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
