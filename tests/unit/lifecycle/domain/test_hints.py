"""Hints for the shop: each at its instant, once, never about history, only while it is true."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import pytest

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.hints import (
    COMPLAINT_OVERDUE,
    ONBOARDING_STALLED,
    RENEWAL_DUE,
    SURVEY_DUE,
)
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from tests.support.builders import day
from tests.support.customer_events import RawEvent, does, imported
from tests.support.feedback_events import answers, complains, refers, resolves
from tests.support.lives import day_number, happenings, live
from tests.support.purchase_events import (
    buys,
    cancels_order,
    concludes,
    gives_notice,
    refunds,
    renews,
)


def hints(events: list[RawEvent], until: float, policy: Policy = Policy()) -> list[str]:  # noqa: B008  (frozen)
    return [f"{day_number(hint.at):.8g} {hint.name}" for hint in live(events, until, policy).hints]


WELCOME: Final = "0 incentive.due"
SURVEY: Final = "7 survey.due"
STALLED: Final = "14 onboarding.stalled"
FIRST: Final = [WELCOME, SURVEY, STALLED]
ONBOARDING: Final = Policy(onboarding_days=14)
PRICE: Final = {"amount": 1000, "currency": "EUR"}
RENEWAL: Final = "1 contract.renewal_due"
UNANSWERED: Final = f"{2 / 24:.8g} complaint.overdue"

CASES: Final[dict[str, tuple[list[RawEvent], float, list[str]]]] = {
    "a new customer is welcomed, asked after a week, and helped after two": (buys(0), 80, FIRST),
    "each at its instant": (buys(0), 7, [WELCOME, SURVEY]),
    "and not before": (buys(0), 6.99999, [WELCOME]),
    "after the first order only": (buys(0, 1, 20), 70, FIRST),
    "a prospect gets none": (does("page.viewed", 0), 300, []),
    "activation makes help needless": (
        [*buys(0), *does("product.activated", 13, product="p")],
        80,
        [WELCOME, SURVEY],
    ),
    "activation before the first order too": (
        [*does("product.activated", -1, product="p"), *buys(0)],
        80,
        [WELCOME, SURVEY],
    ),
    "activation at the very instant comes too late": (
        [*buys(0), *does("product.activated", 14, product="p")],
        80,
        FIRST,
    ),
    "a first order undone is asked for no more": (
        [*buys(0), *cancels_order(5, "o0")],
        80,
        [WELCOME],
    ),
    "an order cancelled before it completed is not the first": (
        [*cancels_order(0, "o1"), *buys(1, 30)],
        60,
        ["30 incentive.due", "37 survey.due", "44 onboarding.stalled"],
    ),
    "an advocate's first order is followed like any other": (
        [*refers(0), *buys(1)],
        60,
        ["8 survey.due", "15 onboarding.stalled"],
    ),
    "also when another was undone": (
        [*refers(0), *buys(1), *cancels_order(9, "o1"), *buys(10)],
        60,
        ["8 survey.due", "17 survey.due", "24 onboarding.stalled"],
    ),
    "a first order undone leaves the next one to be asked for": (
        [*buys(0, 3), *refunds(5, "o0")],
        16,
        [WELCOME, "10 survey.due"],
    ),
    "one that stands again is asked for as before": (
        [
            *buys(0, 3),
            *refunds(5, "o0"),
            *does("order.refund_withdrawn", 6, order_id="o0", amount=PRICE),
        ],
        13,
        [WELCOME, SURVEY],
    ),
    "at once if that has passed": (
        [
            *buys(0, 3),
            *refunds(5, "o0"),
            *does("order.refund_withdrawn", 8, order_id="o0", amount=PRICE),
        ],
        13,
        [WELCOME, "8 survey.due"],
    ),
    "an imported order gets none": (imported(buys(0)), 80, []),
    "nor does a later one": ([*imported(buys(0)), *buys(1)], 80, []),
    "history imported later takes no hint away": (
        [*buys(0), *imported(does("page.viewed", 3))],
        80,
        FIRST,
    ),
    "who has left is not asked": ([*buys(0), *does("customer.closed", 5)], 80, [WELCOME]),
    "a contract is renewed with notice": (concludes(0), 30, [WELCOME, RENEWAL]),
    "for each term": (
        [*concludes(0), *renews(10)],
        50,
        [WELCOME, RENEWAL, "30 contract.renewal_due"],
    ),
    "not when it was renewed before": (
        [*concludes(0, 2), *renews(10, term_months=12)],
        60,
        [WELCOME],
    ),
    "not when it was cancelled": ([*concludes(0, 12), *gives_notice(5, 400)], 399, [WELCOME]),
    "not when it has ended": ([*concludes(0, 12), *gives_notice(5)], 399, [WELCOME]),
    "not when the customer has left": (
        [*concludes(0, 12), *does("customer.closed", 5)],
        399,
        [WELCOME],
    ),
    "when a cancelled one is renewed, again": (
        [*concludes(0, 12), *gives_notice(5, 400), *renews(6)],
        50,
        [WELCOME],
    ),
    "each contract for itself": (
        [*concludes(0), *concludes(2, of="w")],
        31,
        [WELCOME, RENEWAL, "3 contract.renewal_due"],
    ),
    "an imported contract is renewed with notice, too": (
        imported(concludes(0, 2)),
        40,
        ["30 contract.renewal_due"],
    ),
    "a complaint unanswered for two hours": (complains(0), 1, [UNANSWERED]),
    "not with an answer": ([*complains(0), *answers(0.05)], 1, []),
    "not when resolved": ([*complains(0), *resolves(0.05)], 1, []),
    "an answer to another does not count": (
        [*complains(0), *answers(0.05, "other")],
        1,
        [UNANSWERED],
    ),
    "not an imported one": (imported(complains(0)), 1, []),
    "history imported later does not answer it": (
        [*complains(0), *imported(does("page.viewed", 0.05))],
        1,
        [UNANSWERED],
    ),
    "of one who has left, too": ([*complains(0), *does("customer.closed", 0.05)], 1, [UNANSWERED]),
    "an established customer gets an incentive every 60 days": (
        [*buys(0, 1, 2), *buys(80, 160, 240)],
        250,
        [*FIRST, "62 incentive.due", "122 incentive.due", "182 incentive.due", "242 incentive.due"],
    ),
    "the days count from becoming established, again after a crisis": (
        [*buys(0, 1, 2), *buys(100)],
        161,
        [*FIRST, "62 incentive.due", "160 incentive.due"],
    ),
    "none while at risk": (
        [*buys(0, 1, 2), *complains(60)],
        70,
        [*FIRST, f"{60 + 2 / 24:.8g} complaint.overdue"],
    ),
    "none for an advocate": ([*buys(0, 1, 2), *refers(3)], 90, FIRST),
    "no welcome for the won-back": (buys(0, 200), 280, FIRST),
}


@pytest.mark.parametrize("name", CASES)
def test_a_hint_comes_at_its_instant_and_only_while_it_is_true(name: str) -> None:
    events, until, expected = CASES[name]
    assert hints(events, until, ONBOARDING) == expected


def test_nobody_is_expected_to_put_products_to_use_unless_the_policy_says_so() -> None:
    assert hints(buys(0), 80) == [WELCOME, SURVEY]


MONTHLY: Final = concludes(0)
"""Renews on 1 February (day 31), then 1 March (60), 1 April (91), 1 May (121)."""
FEW: Final = Policy(survey_days=0, incentive_days=0)
UNASKED: Final = Policy(survey_days=0, answer_hours=0, renewal_notice_days=0)


@dataclass(frozen=True)
class Passed:
    """A hint whose instant has passed when it becomes known, after the welcome of a new customer.

    If `later` is given, it is the policy in force from day 10 on.
    """

    events: list[RawEvent]
    expected: list[str]
    policy: Policy = FEW
    later: Policy | None = None
    until: float = 200


PASSED: Final = {
    "contract.renewal_due: for monthly contracts in every month": Passed(
        [*MONTHLY, *renews(31), *renews(60), *renews(91)],
        [f"{at} contract.renewal_due" for at in (1, 31, 61, 91)],
        until=120,
    ),
    "contract.renewal_due: at once for a term that ends soon": Passed(
        concludes(0, renews_at=day(12).isoformat()), ["0 contract.renewal_due"], until=13
    ),
    "contract.renewal_due: at once if it is due at that very instant": Passed(
        concludes(0, renews_at=day(30).isoformat()), ["0 contract.renewal_due"], until=31
    ),
    "contract.renewal_due: not for a term that is over": Passed(
        concludes(0, renews_at=day(-1).isoformat()), [], until=10
    ),
    "contract.renewal_due: at once when a notice is taken back": Passed(
        [*MONTHLY, *gives_notice(0.5, 40), *renews(39)],
        ["39 contract.renewal_due"],
        until=40,
    ),
    "contract.renewal_due: at once by a policy with a longer notice": Passed(
        concludes(0, renews_at=day(50).isoformat()),
        ["10 contract.renewal_due"],
        later=Policy(survey_days=0, renewal_notice_days=45),
        until=51,
    ),
    "contract.renewal_due: not again by a policy with a longer notice": Passed(
        MONTHLY,
        ["1 contract.renewal_due"],
        later=Policy(survey_days=0, renewal_notice_days=45),
        until=32,
    ),
    "contract.renewal_due: by the earlier policy, if that is due at the change": Passed(
        concludes(0, renews_at=day(40).isoformat()),
        ["10 contract.renewal_due"],
        later=Policy(survey_days=0, renewal_notice_days=35),
        until=41,
    ),
    "survey.due: at once by a policy that asks earlier": Passed(
        buys(0), ["10 survey.due"], Policy(survey_days=14), Policy(survey_days=5)
    ),
    "survey.due: not once it is older than anybody acts on": Passed(
        buys(0), [], UNASKED, Policy(survey_days=2)
    ),
    "survey.due: not when it was asked before": Passed(
        buys(0), ["7 survey.due"], Policy(), Policy(survey_days=9)
    ),
    "survey.due: at once when a customer returns who has left": Passed(
        [*buys(0), *does("customer.closed", 5), *buys(10)], ["10 survey.due"], Policy()
    ),
    "survey.due: not again when it was asked before leaving": Passed(
        [*buys(0), *does("customer.closed", 8), *buys(10)], ["7 survey.due"], Policy()
    ),
    "survey.due: not when the return is too late": Passed(
        [*buys(0), *does("customer.closed", 5), *buys(15)], [], Policy()
    ),
    "onboarding.stalled: at once by a policy that expects use earlier": Passed(
        buys(0), ["10 onboarding.stalled"], UNASKED, Policy(survey_days=0, onboarding_days=8)
    ),
    "onboarding.stalled: not with a product in use": Passed(
        [*buys(0), *does("product.activated", 9, product="p")],
        [],
        UNASKED,
        Policy(survey_days=0, onboarding_days=8),
    ),
    "complaint.overdue: at once by a policy that wants an answer earlier": Passed(
        [*buys(0), *complains(8, 1)],
        ["10 complaint.overdue"],
        Policy(survey_days=0, answer_hours=72, complaint_overdue_hours=240),
        Policy(survey_days=0, answer_hours=24, complaint_overdue_hours=240),
    ),
    "complaint.overdue: not with an answer": Passed(
        [*buys(0), *complains(8, 1), *answers(9.5)],
        [],
        Policy(survey_days=0, answer_hours=72, complaint_overdue_hours=240),
        Policy(survey_days=0, answer_hours=24, complaint_overdue_hours=240),
    ),
    "complaint.overdue: not an old one": Passed(
        [*buys(0), *complains(1, 1)],
        [],
        Policy(survey_days=0, answer_hours=0, complaint_overdue_hours=2400),
        Policy(survey_days=0, answer_hours=24, complaint_overdue_hours=2400),
    ),
}


@pytest.mark.parametrize("case", PASSED.values(), ids=PASSED.keys())
def test_a_hint_that_becomes_known_too_late_is_given_at_once_if_it_still_helps(
    case: Passed,
) -> None:
    activations = [Activation(1, day(-100), case.policy)]
    if case.later is not None:
        activations.append(Activation(2, day(10), case.later))
    found = fold(happenings(case.events), Schedule(activations), until=day(case.until)).hints
    assert [f"{day_number(hint.at):.8g} {hint.name}" for hint in found] == [WELCOME, *case.expected]


def test_hints_of_every_name_have_a_case_of_being_late() -> None:
    """Incentives follow the present phase, and change notices have tests of their own."""
    late = {name.partition(":")[0] for name in PASSED}
    assert late == {SURVEY_DUE, ONBOARDING_STALLED, RENEWAL_DUE, COMPLAINT_OVERDUE}


def test_an_incentive_is_never_the_same_twice_in_a_row() -> None:
    events = [
        *buys(0, 1, 2),
        *(order for at in range(80, 1600, 80) for order in buys(at)),
        *complains(500),
        *resolves(501),
    ]
    found = [
        hint.data["incentive"]
        for hint in live(events, 1600, Policy()).hints
        if hint.name == "incentive.due"
    ]
    assert len(found) > 20
    assert found[0] == "welcome"
    assert all(one != other for one, other in pairwise(found))


def test_nothing_is_waited_for_once_the_first_order_is_undone() -> None:
    customer, _, _ = live([*refers(0), *buys(1), *cancels_order(2, "o1")], 3, Policy()).parts
    assert customer.hint_due is None


def test_the_same_occasion_is_the_same_hint() -> None:
    first, again = (live(buys(0, 1, 2), until, Policy()).hints for until in (70, 200))
    assert [(hint.name, hint.occasion) for hint in first] == [
        (hint.name, hint.occasion) for hint in again
    ]
    assert len({(hint.name, hint.occasion) for hint in again}) == len(again)


def test_who_is_welcomed_twice_is_told_of_one_occasion() -> None:
    found = live([*buys(0), *cancels_order(1, "o0"), *buys(2)], 3, Policy()).hints
    assert {(hint.name, hint.occasion) for hint in found} == {("incentive.due", "welcome")}


def test_a_hint_says_what_it_is_about() -> None:
    renewal = live(concludes(0, 1, of="v/é"), 2, Policy()).hints[-1]
    assert renewal.data == {"contract_id": "v/é", "renews_at": day(31).isoformat()}
    complaint = live(complains(0, of="k 🙂"), 1, Policy()).hints[-1]
    assert complaint.data == {"complaint_id": "k 🙂"}


def test_every_hint_can_be_switched_off() -> None:
    off = Policy(
        survey_days=0, onboarding_days=0, renewal_notice_days=0, incentive_days=0, answer_hours=0
    )
    assert hints(
        [*buys(0, 1, 2), *concludes(3, 12), *complains(4, 1), *answers(4.9)], 300, off
    ) == [WELCOME]
