"""What each type of event means, what a move carries, thresholds, and the end of time."""

from typing import Final

import pytest

from services.lifecycle.domain.fold import fold, pass_time
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.happenings import EventKind, Happening
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.events import EVENT_KINDS
from shared.bounds import LAST_INSTANT
from shared.events.catalogue import MODELS
from shared.events.envelope import CONTROL
from tests.support.builders import day
from tests.support.customer_events import RawEvent, does
from tests.support.feedback_events import complains
from tests.support.lives import FADED, NEW, PROSPECT, THRICE, VIEWED, describe, happenings, live
from tests.support.purchase_events import buys, concludes, gives_notice

SILENT_TYPES: Final = {
    "customer.merged",
    "customer.unmerged",
    "customer.closed",
    "consent.granted",
    "consent.withdrawn",
    "customer.erasure_requested",
}
BUYING: Final = {"order.completed", "contract.concluded", "contract.renewed"}
REFERRING: Final = {"referral.succeeded"}


def test_every_type_of_the_catalogue_means_something_to_lifecycle() -> None:
    assert set(EVENT_KINDS) == set(MODELS) - CONTROL


@pytest.mark.parametrize(
    "kind", sorted(set(EVENT_KINDS) - SILENT_TYPES - BUYING - REFERRING - {"feedback.submitted"})
)
def test_any_other_event_makes_an_unknown_customer_a_prospect(kind: str) -> None:
    assert describe(live([_least(kind)], 0.5, Policy()).moves) == PROSPECT


@pytest.mark.parametrize("kind", sorted(SILENT_TYPES))
def test_merging_closing_consent_and_erasure_create_no_customer(kind: str) -> None:
    customer, moves, hints = live([_least(kind)], 1000, Policy()).parts
    assert (customer.phase, list(moves), list(hints)) == (None, [], [])


@pytest.mark.parametrize("kind", sorted(SILENT_TYPES - {"customer.closed"}))
def test_merging_consent_and_erasure_revive_no_faded_prospect(kind: str) -> None:
    late = {**_least(kind), "time": day(400).isoformat()}
    assert describe(live([*VIEWED, late], 401, Policy()).moves) == FADED


@pytest.mark.parametrize("kind", sorted(EVENT_KINDS))
def test_an_event_that_is_only_a_test_changes_nothing(kind: str) -> None:
    event = _least(kind)
    event["data"] = {**event["data"], "test": True}
    customer, moves, hints = live([event], 1000, Policy()).parts
    assert (customer.phase, list(moves), list(hints)) == (None, [], [])
    event["data"]["test"] = False
    if kind not in SILENT_TYPES:
        assert live([event], 0.5, Policy()).customer.phase is not None


def test_an_exit_is_activity_without_a_score() -> None:
    asked = does("feedback.submitted", 95, kind="exit", text="too dear")
    policy = Policy(contact_days=30, at_risk_days=300, inactive_days=400)
    assert describe(live([*buys(0), *does("page.viewed", 1), *asked], 96, policy).moves) == [
        *NEW,
        "31 bond_weakens at_risk",
        "95 recovered new",
    ]


def _least(kind: str) -> RawEvent:
    """An event of a type with everything in its data that anybody reads."""
    money = {"amount": 100, "currency": "EUR"}
    return does(
        kind,
        0,
        order_id="o",
        complaint_id="k",
        contract_id="v",
        inquiry_id="i",
        product="p",
        case_id="c",
        agent="a",
        result="r",
        channel="email",
        purpose="news",
        into="eve",
        amount=money,
        total=money,
        term_months=12,
        value=money,
        kind="nps",
        score=7,
    )[0]


def test_thresholds_come_from_the_policy() -> None:
    policy = Policy(
        at_risk_days=7, inactive_days=14, established_after_orders=2, settle_after_orders=3
    )
    assert describe(live(buys(0, 1, 30, 31), 60, policy).moves) == [
        *NEW,
        "1 habit_formed established",
        "8 silence_begins at_risk",
        "15 fell_silent inactive",
        "30 returned won_back",
        "38 silence_begins at_risk",
        "45 fell_silent inactive",
    ]


def test_every_return_begins_a_new_episode() -> None:
    customer, moves, _ = live(buys(0, 200, 400), 401, Policy()).parts
    assert [move.episode for move in moves if move.to is Phase.WON_BACK] == [2, 3]
    assert customer.episode == 3


def test_a_transition_carries_evidence_policy_and_profile() -> None:
    events = [*buys(0, coupon="HI", margin={"amount": 300, "currency": "EUR"}), *buys(1)]
    _, (bought, silent), _ = live(events, 100, Policy(name="p", version=7)).parts
    assert [(ref.source, ref.id) for ref in bought.evidence.events] == [("/shop", "o0")]
    assert bought.profile.order is not None
    assert (bought.profile.order.coupon, bought.profile.order.total.amount) == ("HI", 1000)
    assert bought.profile.deadlines == {"silence_begins": day(90), "fell_silent": day(180)}
    assert (silent.evidence.events, silent.evidence.deadline, silent.policy.version) == (
        (),
        day(91),
        7,
    )
    assert silent.profile.causes == ("silence",)
    assert [(money.amount, money.currency) for money in silent.profile.revenue] == [(2000, "EUR")]
    assert [(money.amount, money.currency) for money in silent.profile.margin] == [(300, "EUR")]


def test_a_move_is_historical_if_its_event_is() -> None:
    imported = [{**raw, "historical": True} for raw in buys(0)]
    assert [move.historical for move in live([*imported, *buys(1, 2)], 100, Policy()).moves] == [
        True,
        False,
        False,
    ]


def test_a_deadline_that_a_new_policy_moved_further_away_does_not_fire_early() -> None:
    customer, _, _ = fold(happenings(buys(0)), Policy(at_risk_days=90)).parts
    longer = Policy(at_risk_days=120)
    customer, moves, _ = pass_time(customer, day(90), longer).parts
    assert (list(moves), customer.due) == ([], day(120))
    _, moves, _ = pass_time(customer, day(120), longer).parts
    assert [move.occurred_at for move in moves] == [day(120)]


def test_deadlines_near_the_end_of_time_do_not_overflow() -> None:
    late = Happening(day(0).replace(year=9998), 0, "/shop", "x", EventKind.NO_EFFECT)
    customer, _, _ = fold([late], Policy(prospect_days=36_500)).parts
    assert customer.due is not None


EVE: Final = LAST_INSTANT.replace(hour=12).isoformat()
ENDLESS: Final = {
    "a complaint and a contact on the last day": [
        {**raw, "time": EVE} for raw in [*complains(0), *does("page.viewed", 1), *buys(2)]
    ],
    "a contract beyond": [
        *THRICE,
        *concludes(3),
        *gives_notice(4, 2_912_800),
        *concludes(5, 1200, of="w"),
    ],
    "a customer unheard of since": [*VIEWED, *complains(1), *concludes(2, 1200)],
}


@pytest.mark.parametrize("name", ENDLESS)
def test_time_may_pass_to_its_very_end(name: str) -> None:
    last = {**does("page.viewed", 7)[0], "time": LAST_INSTANT.isoformat()}
    policy = Policy(contact_days=1, incentive_days=36_500)
    customer, _, _ = live([*ENDLESS[name], last], LAST_INSTANT, policy).parts
    assert customer.wakes_at is None or customer.wakes_at > LAST_INSTANT
