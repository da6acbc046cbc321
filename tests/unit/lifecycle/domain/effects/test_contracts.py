"""Contracts: ends, graces, notices, cancellations and renewals."""

from typing import Final

import pytest

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.state.phases import Phase
from tests.support.builders import day
from tests.support.customer_events import does
from tests.support.feedback_events import scores
from tests.support.lives import (
    ESTABLISHED,
    NEW,
    Case,
    describe,
    happenings,
    live,
)
from tests.support.purchase_events import (
    buys,
    concludes,
    gives_notice,
    renews,
)

SIGNED: Final = concludes(0)


LAPSED: Final = [*NEW, "45 relationship_ended former"]


NOTICED: Final = [*NEW, "5 cancellation_announced at_risk"]


CONTRACTS: Final = {
    "not renewed, it ends after its grace": Case(SIGNED, 45, LAPSED),
    "not an instant before": Case(SIGNED, 44.99999, NEW),
    "renewed in its grace, it goes on": Case(
        [*SIGNED, *renews(44)], 73, [*NEW, "44 habit_formed established"]
    ),
    "for another term from the end of the one before": Case(
        [*SIGNED, *renews(44)],
        74,
        [*NEW, "44 habit_formed established", "74 relationship_ended former"],
    ),
    "or the term that the renewal names": Case(
        [*SIGNED, *renews(10, term_months=12)], 410, [*NEW, "10 habit_formed established"]
    ),
    "renewed at the very instant of its end, it is a return": Case(
        [*SIGNED, *renews(45)], 46, [*LAPSED, "45 returned won_back"]
    ),
    "the grace is a policy": Case(
        SIGNED, 31, [*NEW, "31 relationship_ended former"], policy=Policy(renewal_grace_days=0)
    ),
    "renews_at is what the shop says": Case(
        concludes(0, renews_at=day(100).isoformat()), 114, [*NEW, "114 relationship_ended former"]
    ),
    "a lapse ends even if orders came in the grace": Case([*SIGNED, *buys(40)], 45, LAPSED),
    "not while another contract runs": Case([*SIGNED, *concludes(1, 12, of="w")], 60, NEW),
    "the last of several ends": Case(
        [*SIGNED, *concludes(1, 2, of="w")], 75, [*NEW, "75 relationship_ended former"]
    ),
    "cancelled at once it ends at once": Case(
        [*SIGNED, *gives_notice(5)], 6, [*NEW, "5 relationship_ended former"]
    ),
    "with effect in the past too": Case(
        [*SIGNED, *gives_notice(5, 4)], 6, [*NEW, "5 relationship_ended former"]
    ),
    "with effect at that instant too": Case(
        [*SIGNED, *gives_notice(5, 5)], 6, [*NEW, "5 relationship_ended former"]
    ),
    "cancelled at once while another runs, it ends nothing": Case(
        [*SIGNED, *concludes(1, of="w"), *gives_notice(5)], 6, NEW
    ),
    "a cancellation announced puts at risk": Case(
        [*SIGNED, *gives_notice(5, 20)], 6, NOTICED, causes=("cancellation:v",)
    ),
    "the established too": Case(
        [*buys(0, 1, 2), *concludes(3), *gives_notice(5, 20)],
        6,
        [*ESTABLISHED, "5 cancellation_announced at_risk"],
        causes=("cancellation:v",),
    ),
    "even while another runs": Case(
        [*SIGNED, *concludes(1, of="w"), *gives_notice(5, 20)],
        6,
        NOTICED,
        causes=("cancellation:v",),
    ),
    "in effect it ends, without a grace": Case(
        [*SIGNED, *gives_notice(5, 20)], 20, [*NOTICED, "20 relationship_ended former"]
    ),
    "not an instant before its effect": Case(
        [*SIGNED, *gives_notice(5, 20)], 19.99999, NOTICED, causes=("cancellation:v",)
    ),
    "effect may be later than the term": Case(
        [*SIGNED, *gives_notice(5, 60)], 60, [*NOTICED, "60 relationship_ended former"]
    ),
    "not when an order followed the cancellation": Case(
        [*SIGNED, *gives_notice(5, 20), *buys(10)], 21, NOTICED, causes=("cancellation:v",)
    ),
    "an order before it does not count": Case(
        [*SIGNED, *buys(4), *gives_notice(5, 20)], 21, [*NOTICED, "20 relationship_ended former"]
    ),
    "not while another runs, and the notice is no cause any more": Case(
        [*SIGNED, *concludes(1, 12, of="w"), *gives_notice(5, 20)], 21, NOTICED
    ),
    "so that any later event is a recovery": Case(
        [
            *SIGNED,
            *concludes(1, 12, of="w"),
            *gives_notice(5, 20),
            *does("session.signed_in", 25),
        ],
        26,
        [*NOTICED, "25 recovered new"],
    ),
    "if nothing else is a cause": Case(
        [
            *SIGNED,
            *concludes(1, 12, of="w"),
            *gives_notice(5, 20),
            *scores(6, "nps", 0),
            *does("session.signed_in", 25),
        ],
        26,
        NOTICED,
        causes=("score:nps",),
    ),
    "notice of two, and one has ended: that of the other is still a cause": Case(
        [
            *SIGNED,
            *concludes(1, 12, of="w"),
            *gives_notice(5, 20),
            *gives_notice(6, 30, of="w"),
        ],
        21,
        NOTICED,
        causes=("cancellation:w",),
    ),
    "cancelled at once after notice, while another runs, it is a recovery": Case(
        [*SIGNED, *concludes(1, 12, of="w"), *gives_notice(5, 20), *gives_notice(10)],
        21,
        [*NOTICED, "10 recovered new"],
    ),
    "closing the account ends all contracts": Case(
        [*SIGNED, *concludes(1, 12, of="w"), *does("customer.closed", 5), *buys(6)],
        300,
        [
            *NEW,
            "5 relationship_ended former",
            "6 returned won_back",
            "96 silence_begins at_risk",
            "186 fell_silent inactive",
        ],
    ),
    "and what was noticed before": Case(
        [*SIGNED, *gives_notice(1, 50), *does("customer.closed", 5), *concludes(6, 12, of="w")],
        52,
        [
            *NEW,
            "1 cancellation_announced at_risk",
            "5 relationship_ended former",
            "6 returned won_back",
        ],
    ),
    "an order does not clear a cancellation": Case(
        [*SIGNED, *gives_notice(5, 20), *buys(6)], 7, NOTICED, causes=("cancellation:v",)
    ),
    "a renewal does": Case(
        [*SIGNED, *gives_notice(5, 20), *renews(6)],
        21,
        [*NOTICED, "6 recovered new", "6 habit_formed established"],
    ),
    "so does a new contract": Case(
        [*SIGNED, *gives_notice(5, 20), *concludes(6, of="w")], 21, [*NOTICED, "6 recovered new"]
    ),
    "a renewal of another contract clears it too": Case(
        [*SIGNED, *concludes(1, of="w"), *gives_notice(5, 20), *renews(6, "w")],
        7,
        [*NOTICED, "6 recovered new", "6 habit_formed established"],
    ),
    "notice does not put a former customer at risk": Case(
        [*SIGNED, *does("customer.closed", 1), *gives_notice(5, 20)],
        21,
        [*NEW, "1 relationship_ended former"],
    ),
    "notice of an unknown contract has no effect": Case(
        [*SIGNED, *gives_notice(5, 20, of="x")], 21, NEW
    ),
    "renewed before it was concluded, it runs for twelve months": Case(renews(0), 379, NEW),
    "and ends after them": Case(renews(0), 380, [*NEW, "380 relationship_ended former"]),
    "or for the term that the renewal names": Case(renews(0, term_months=1), 45, LAPSED),
    "concluded afterwards, its own term counts": Case(
        [*renews(0), *concludes(0.5)], 45.5, [*NEW, "45.5 relationship_ended former"]
    ),
    "concluded twice it is one": Case(
        [*SIGNED, *concludes(1)], 46, [*NEW, "46 relationship_ended former"]
    ),
    "the contract of a return that ends ends it again": Case(
        [*SIGNED, *gives_notice(5), *concludes(10, of="w")],
        56,
        [
            *NEW,
            "5 relationship_ended former",
            "10 returned won_back",
            "55 relationship_ended former",
        ],
    ),
    "silence is suspended while a contract runs": Case([*buys(0), *concludes(1, 12)], 380, NEW),
    "and while its grace does": Case(
        [*buys(0), *concludes(1, 2)], 74.9, NEW, policy=Policy(at_risk_days=70)
    ),
    "a contract ends in place of a silence due at the same instant": Case(
        [*buys(0), *concludes(1, renews_at=day(76).isoformat())],
        90,
        [*NEW, "90 relationship_ended former"],
    ),
    "silence is measured again when the contract is over": Case(
        [*SIGNED, *gives_notice(5, 20), *buys(10)],
        100,
        NOTICED,
        causes=("cancellation:v", "silence"),
    ),
    "its deadlines, if passed, are due at once": Case(
        [*SIGNED, *gives_notice(5, 150), *buys(6), *scores(7, "nps", 0)],
        151,
        NOTICED,
        causes=("cancellation:v", "score:nps", "silence"),
    ),
    "a contract alone is never silent": Case(concludes(0, 24), 700, NEW),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_contracts_read_as_the_domain_says(name: str) -> None:
    CONTRACTS[name].check()


def test_a_contract_that_lapses_while_another_runs_is_no_event_for_the_rules() -> None:
    """Two orders are enough from day 10 on, but no rule looks until something happens."""
    policies = Schedule(
        [
            Activation(1, day(-1), Policy()),
            Activation(2, day(10), Policy(established_after_orders=2)),
        ]
    )
    events = [*SIGNED, *concludes(0.5, 12, of="w"), *buys(1, 2), *does("session.signed_in", 60)]
    assert describe(fold(happenings(events), policies, until=day(70)).moves) == [
        *NEW,
        "60 habit_formed established",
    ]


TERMS: Final = {
    "a month from 31 January ends in February": ("2024-01-31T10:00:00Z", 1, "2024-02-29T10:00:00Z"),
    "in a common year on the 28th": ("2023-01-31T10:00:00Z", 1, "2023-02-28T10:00:00Z"),
    "twelve months are the same day of the next year": (
        "2023-03-15T10:00:00Z",
        12,
        "2024-03-15T10:00:00Z",
    ),
    "a year from 29 February ends on the 28th": (
        "2024-02-29T10:00:00Z",
        12,
        "2025-02-28T10:00:00Z",
    ),
    "months are counted in UTC": ("2024-01-31T23:30:00-05:00", 1, "2024-03-01T04:30:00Z"),
    "over the turn of a year": ("2023-11-30T10:00:00Z", 3, "2024-02-29T10:00:00Z"),
}


@pytest.mark.parametrize("name", TERMS)
def test_months_are_calendar_months(name: str) -> None:
    begins, months, ends = TERMS[name]
    contract = {**concludes(0, months)[0], "time": begins}
    _, moves, _ = live([contract], 2000, Policy(renewal_grace_days=0)).parts
    assert [
        f"{move.occurred_at:%Y-%m-%dT%H:%M:%SZ}" for move in moves if move.to is Phase.FORMER
    ] == [ends]


def test_a_renewed_term_does_not_drift_from_the_day_on_which_it_began() -> None:
    begun = {**concludes(0)[0], "time": "2024-01-31T10:00:00Z"}
    customer, _, _ = live([begun, *renews(40), *renews(70)], 75, Policy()).parts
    assert [f"{contract.renews_at:%m-%d}" for contract in customer.contracts.values()] == ["04-30"]


def test_a_contract_told_twice_is_counted_once() -> None:
    customer, _, _ = live([*concludes(0), *concludes(1), *renews(2)], 3, Policy()).parts
    assert (customer.contracts_ever, customer.contracts_since_return, len(customer.contracts)) == (
        1,
        1,
        1,
    )
