"""The deadlines: each belongs to a rule, and the first that runs is the one that is due."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from services.lifecycle.domain.policy.cadence import LONGEST_SILENCE, Fit
from services.lifecycle.domain.policy.policy import CADENCE, Policy
from services.lifecycle.domain.rules.deadlines import (
    DEADLINES,
    LEAST_BETWEEN_LIMITS,
    Deadline,
    first_deadline,
    purchase_rhythm,
    running_deadlines,
    silence_limits,
)
from services.lifecycle.domain.rules.table import RULES
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import DEADLINE_KINDS, EventKind
from services.lifecycle.domain.state.open_items import Complaint, Contract
from services.lifecycle.domain.state.phases import Phase
from tests.support.builders import day

POLICY: Final = Policy(at_risk_days=20, inactive_days=40, complaint_overdue_hours=240)
BUYER: Final = Customer(
    phase=Phase.NEW,
    orders=1,
    first_order_at=day(0),
    last_order_at=day(0),
    purchase_days=1,
    last_event=(day(0), 0, "/shop", "o", ""),
)


def test_every_kind_of_deadline_has_exactly_one() -> None:
    kinds = sorted(deadline.kind for deadline in DEADLINES)
    assert kinds == sorted(DEADLINE_KINDS - {EventKind.CONTRACT_DROPPED})


@pytest.mark.parametrize("deadline", DEADLINES, ids=[deadline.kind for deadline in DEADLINES])
def test_a_deadline_triggers_its_rule_in_a_phase_in_which_it_runs(deadline: Deadline) -> None:
    (rule,) = [rule for rule in RULES if rule.name is deadline.rule]
    assert deadline.kind in rule.on
    assert rule.sources & deadline.phases


def test_they_are_in_the_order_of_the_table() -> None:
    names = [rule.name for rule in RULES]
    places = [names.index(deadline.rule) for deadline in DEADLINES]
    assert places == sorted(places)


def test_the_first_deadline_is_the_nearest() -> None:
    complaining = complaining_on(BUYER, 5)
    for customer, kind, due in ((BUYER, "silence", 20), (complaining, "complaint_overdue", 15)):
        first = first_deadline(customer, POLICY, customer.now)
        assert first is not None
        assert (first[1].kind, first[0]) == (kind, day(due))


def test_of_two_at_one_instant_the_first_of_the_table_is_due() -> None:
    first = first_deadline(complaining_on(BUYER, 10), POLICY, day(10))
    assert first is not None
    assert (first[1].kind, first[0]) == ("silence", day(20))


def test_what_has_passed_is_due_now() -> None:
    first = first_deadline(BUYER, POLICY, day(30))
    assert first is not None
    assert (first[1].kind, first[0]) == ("silence", day(30))


def test_nobody_waits_for_the_unknown() -> None:
    assert first_deadline(Customer(), POLICY, day(0)) is None
    assert running_deadlines(Customer(), POLICY) == {}


def test_the_running_deadlines_are_told_by_their_rules() -> None:
    assert running_deadlines(BUYER, POLICY) == {"silence_begins": day(20), "fell_silent": day(40)}


def test_a_contract_suspends_silence() -> None:
    contract = Contract(day(0), months=1, term=1)
    signed = Customer(phase=Phase.NEW, last_order_at=day(0), contracts={"v": contract})
    assert running_deadlines(signed, POLICY) == {"relationship_ended": day(45)}


def complaining_on(customer: Customer, opened_on: float) -> Customer:
    return Customer(
        phase=customer.phase,
        last_order_at=customer.last_order_at,
        last_event=customer.last_event,
        complaints={"k": Complaint(day(opened_on))},
    )


# -- silence by rhythm -----------------------------------------------------------------------------

FIT: Final = Fit(1, day(-1), r=0.6, alpha=7.0, a=0.8, b=1.2)
BY_RHYTHM: Final = replace(POLICY, silence=CADENCE, fits=(FIT,), min_at_risk_days=30)
REGULAR: Final = Customer(
    first_order_at=day(0),
    last_order_at=day(70),
    purchase_days=11,
)
FIXED_LIMITS: Final = (timedelta(days=20), timedelta(days=40))


def test_the_rhythm_is_repeat_purchases_and_the_days_that_they_took() -> None:
    assert purchase_rhythm(REGULAR) == (10, 70)
    assert purchase_rhythm(BUYER) == (0, 0)
    assert purchase_rhythm(Customer()) == (0, 0)


def test_silence_follows_the_rhythm_from_the_second_purchase_day_on() -> None:
    assert silence_limits(BUYER, BY_RHYTHM) == FIXED_LIMITS
    assert silence_limits(REGULAR, BY_RHYTHM) != FIXED_LIMITS
    assert silence_limits(REGULAR, POLICY) == FIXED_LIMITS


def test_a_fit_counts_only_for_orders_from_its_instant_on() -> None:
    later_fit = replace(BY_RHYTHM, fits=(Fit(1, day(71), r=0.6, alpha=7.0, a=0.8, b=1.2),))
    assert silence_limits(REGULAR, later_fit) == FIXED_LIMITS


@pytest.mark.parametrize("least", [30, 60, 90])
def test_the_limits_by_rhythm_keep_their_distance(least: int) -> None:
    at_risk, inactive = silence_limits(REGULAR, replace(BY_RHYTHM, min_at_risk_days=least))
    assert at_risk >= timedelta(days=least)
    assert at_risk + LEAST_BETWEEN_LIMITS <= inactive <= LONGEST_SILENCE
