"""Each event and deadline is judged by the policy in force then, whenever that became known."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import AUTO, CADENCE, Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.state.happenings import Happening
from tests.support.builders import day
from tests.support.customer_events import RawEvent, does
from tests.support.lives import describe, happenings
from tests.support.purchase_events import buys
from tests.support.random_lives import AT, END, LENGTH, POLICY, RANDOM, Worker, lives, sampled


def schedule(*activations: tuple[float, Policy], fits: Iterable[Fit] = ()) -> Schedule:
    first = Activation(1, day(-10_000), Policy())
    return Schedule(
        [first, *(Activation(n, day(at), policy) for n, (at, policy) in enumerate(activations, 2))],
        fits,
    )


SHORT: Final = Policy(name="short", at_risk_days=30, inactive_days=60)
LONG: Final = Policy(name="long", at_risk_days=120, inactive_days=300)
FOR_FIRMS: Final = replace(SHORT, name="firms", account="b2b")

CASES: Final[dict[str, tuple[list[tuple[float, Policy]], list[RawEvent], float, list[str]]]] = {
    "a shorter deadline that has passed is due at the activation": (
        [(50, SHORT)],
        buys(0),
        59,
        ["0 first_purchase new", "50 silence_begins at_risk"],
    ),
    "a shorter one that has not, at its own instant": (
        [(20, SHORT)],
        buys(0),
        31,
        ["0 first_purchase new", "30 silence_begins at_risk"],
    ),
    "a longer one is waited for": (
        [(80, LONG)],
        buys(0),
        121,
        ["0 first_purchase new", "120 silence_begins at_risk"],
    ),
    "a longer one undoes nothing": (
        [(100, LONG)],
        buys(0),
        299,
        ["0 first_purchase new", "90 silence_begins at_risk"],
    ),
    "a deadline at the very instant of the next activation is judged by that": (
        [(0, SHORT), (30, LONG)],
        buys(0),
        121,
        ["0 first_purchase new", "120 silence_begins at_risk"],
    ),
    "a policy in force for a short while counts while it is": (
        [(40, SHORT), (45, LONG)],
        buys(0),
        50,
        ["0 first_purchase new", "40 silence_begins at_risk"],
    ),
    "but not beyond": ([(40, SHORT), (45, LONG)], buys(20), 139, ["20 first_purchase new"]),
    "an event at the instant of the activation is judged by it": (
        [(2, Policy(established_after_orders=2))],
        buys(0, 2),
        3,
        ["0 first_purchase new", "2 habit_formed established"],
    ),
    "an event before it is not": (
        [(2, Policy(established_after_orders=2))],
        buys(0, 1.9),
        3,
        ["0 first_purchase new"],
    ),
    "a policy for firms does not judge people": (
        [(0, FOR_FIRMS)],
        buys(0),
        89,
        ["0 first_purchase new"],
    ),
    "who is known as a firm is judged as one from then on": (
        [(0, FOR_FIRMS)],
        [*buys(0), *does("customer.updated", 50, account="b2b")],
        51,
        ["0 first_purchase new", "50 silence_begins at_risk"],
    ),
    "the event that tells of the account is judged by the policy for it": (
        [(0, replace(FOR_FIRMS, established_after_orders=2))],
        [*buys(0, 1), *does("customer.updated", 5, account="b2b")],
        6,
        ["0 first_purchase new", "5 habit_formed established"],
    ),
    "a firm stays under the policy for firms when one for all comes later": (
        [(0, FOR_FIRMS), (10, LONG)],
        [*does("customer.signed_up", 0, account="b2b"), *buys(1)],
        32,
        ["0 first_contact prospect", "1 first_purchase new", "31 silence_begins at_risk"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_deadlines_and_events_belong_to_the_policy_in_force(case: str) -> None:
    activations, events, until, expected = CASES[case]
    assert (
        describe(fold(happenings(events), schedule(*activations), until=day(until)).moves)
        == expected
    )


def test_each_move_names_the_policy_that_judged_it() -> None:
    moves = fold(happenings(buys(0)), schedule((50, SHORT)), until=day(55)).moves
    assert [move.policy.name for move in moves] == ["default", "short"]


def test_hints_too_belong_to_the_policy_in_force() -> None:
    later = schedule((3, Policy(survey_days=20, onboarding_days=0)))
    assert [hint.at for hint in fold(happenings(buys(0)), later, until=day(89)).hints] == [
        day(0),
        day(20),
    ]


def test_a_hint_due_at_the_very_instant_of_an_activation_is_given() -> None:
    hints = fold(happenings(buys(0)), schedule((7, Policy(name="again"))), until=day(8)).hints
    assert [hint.name for hint in hints] == ["incentive.due", "survey.due"]


def test_an_incentive_due_at_the_very_instant_of_an_activation_is_given_once() -> None:
    again = schedule((62, Policy(name="again")))
    hints = fold(happenings(buys(0, 1, 2)), again, until=day(91)).hints
    assert [hint.at for hint in hints if hint.name == "incentive.due"] == [day(0), day(62)]


WATCHFUL: Final = Policy(name="watchful", revenue_decline_share=0.5)
DECLINE: Final = buys(0, 10, 20, 30, 115)


def test_a_policy_that_watches_revenue_knows_the_orders_before_its_activation() -> None:
    small = [
        {**raw, "data": {**raw["data"], "total": {"amount": 1, "currency": "EUR"}}}
        for raw in DECLINE[-1:]
    ]
    moves = describe(
        fold(happenings([*DECLINE[:-1], *small]), schedule((114, WATCHFUL)), until=day(116)).moves
    )
    assert moves[-1] == "115 bond_weakens at_risk"


def test_who_was_folded_without_watching_is_folded_anew_for_it() -> None:
    worker = Worker(schedule().quiet)
    worker.take(happenings(DECLINE[:-1]))
    worker.learn(schedule((114, WATCHFUL)).quiet)
    assert worker.customer.keeps_two_quarters
    assert len(worker.customer.recent_orders) == len(DECLINE) - 1


def test_what_a_schedule_adds_makes_no_other_policy_of_one() -> None:
    assert schedule((50, WATCHFUL), fits=[FIT]).at(day(0)) == Policy()


def test_a_policy_announces_what_comes_while_it_is_in_force() -> None:
    hints = fold(happenings(buys(0)), schedule((80, Policy(notice_days=5))), until=day(90)).hints
    assert [hint.at for hint in hints if hint.name == "phase.change_due"] == [day(85)]


# -- the rhythm of purchases -----------------------------------------------------------------------

FIT: Final = Fit(version=9, effective_at=day(35), r=0.52, alpha=6.2, a=0.43, b=0.67)
BY_RHYTHM: Final = Policy(name="rhythm", silence=AUTO)


def silences(
    events: list[RawEvent], policy: Policy = BY_RHYTHM, until: float = 400, fit: Fit = FIT
) -> list[Any]:
    moves = fold(happenings(events), schedule((-100, policy), fits=[fit]), until=day(until)).moves
    return [move.occurred_at for move in moves if move.rule in ("silence_begins", "fell_silent")]


@pytest.mark.parametrize("model", [AUTO, CADENCE])
def test_who_buys_often_is_missed_early(model: str) -> None:
    at_risk, inactive = silences(buys(*range(0, 50, 5)), replace(BY_RHYTHM, silence=model))
    assert day(45 + 30) <= at_risk < day(45 + 60)
    assert at_risk < inactive < day(45 + 180)


def test_a_burst_of_purchases_brings_the_deadline_forward() -> None:
    assert silences(buys(40, 100))[0] > day(200)
    assert silences(buys(40, 100, *range(101, 112)))[0] < day(160)


def test_one_day_of_purchases_is_no_rhythm() -> None:
    assert silences(buys(40, 40.1, 40.2)) == [day(130.2), day(220.2)]


def test_the_fit_in_force_at_the_purchase_decides() -> None:
    before = buys(*range(0, 35, 5))
    assert silences(before) == [day(120), day(210)]
    assert silences([*before, *buys(35)])[0] < day(125)


def test_a_fixed_policy_does_not_ask_the_fit() -> None:
    assert silences(buys(*range(0, 50, 5)), Policy()) == [day(135), day(225)]


def test_floors_and_the_time_between_hold() -> None:
    sure = replace(BY_RHYTHM, risk_probability=0.01, inactive_probability=0.02)
    assert silences(buys(*range(0, 50, 5)), sure) == [day(75), day(105)]


def test_transitions_tell_what_to_expect() -> None:
    moves = fold(happenings(buys(0, 40, 50)), schedule(fits=[FIT])).moves
    first, *_, last = (move.profile.outlook for move in moves)
    assert first is None
    assert last is not None
    assert (last.fit, last.expected_value) == (9, None)
    assert 0.5 < last.p_alive < 1


# -- whenever they become known --------------------------------------------------------------------

KINDS_OF_ACCOUNT: Final = st.sampled_from((None, None, "b2b", "b2c"))
POLICIES: Final = st.builds(
    lambda at_risk, between, orders, account, contact, silence: replace(
        POLICY,
        name="p",
        at_risk_days=at_risk,
        inactive_days=at_risk + between,
        established_after_orders=orders,
        account=account,
        contact_days=contact,
        silence=silence,
        min_at_risk_days=5,
        horizon_days=20,
    ),
    st.sampled_from((10, 30, 60)),
    st.sampled_from((10, 40)),
    st.integers(2, 4),
    KINDS_OF_ACCOUNT,
    st.sampled_from((0, 20)),
    st.sampled_from(("fixed", AUTO)),
)


@st.composite
def decrees(draw: st.DrawFn) -> list[Activation | Fit]:
    """Activations and fits in the order in which they become known, their instants in any."""
    found: list[Activation | Fit] = [Activation(1, day(-100), POLICY)]
    for number in range(2, draw(st.integers(2, 5))):
        at = day(draw(AT))
        if draw(st.integers(0, 3)):
            found.append(Activation(number, at, draw(POLICIES)))
        else:
            found.append(
                Fit(number, at, r=0.5, alpha=2.0, a=draw(st.sampled_from((0.4, 2.0))), b=0.7)
            )
    return found


def known(found: Sequence[Activation | Fit]) -> Schedule:
    return Schedule(
        [one for one in found if isinstance(one, Activation)],
        [one for one in found if isinstance(one, Fit)],
    )


def test_who_was_folded_before_an_activation_became_known_is_judged_by_it_in_time() -> None:
    worker = Worker(schedule().quiet)
    worker.take(happenings(buys(0)))
    worker.tick(day(10))
    worker.learn(schedule((20, SHORT)).quiet)
    worker.tick(day(40))
    assert describe(worker.moves) == ["0 first_purchase new", "30 silence_begins at_risk"]


@sampled(400)
@given(lives(), decrees(), RANDOM)
def test_it_does_not_matter_when_events_and_activations_become_known(
    events: list[Happening], found: list[Activation | Fit], random: Random
) -> None:
    worker = Worker(known(found[:1]))
    steps: list[Any] = [*events, *(day(random.uniform(0, LENGTH)) for _ in range(4))]
    random.shuffle(steps)
    for number in range(1, len(found)):
        steps.insert(random.randint(0, len(steps)), known(found[: number + 1]))
    for step in steps:
        if isinstance(step, Happening):
            worker.take([step])
        elif not isinstance(step, Schedule):
            worker.tick(step)
        elif step.known > worker.policies.known:
            worker.learn(step)
    worker.learn(known(found))
    worker.tick(END)
    assert worker.moves == list(fold(events, known(found), until=END).moves)
