"""Cases and codes of ids that have become one customer, and of ids that are two again."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.reactivation.domain import offers
from services.reactivation.domain.cases import Case, Lapse, State
from services.reactivation.domain.changes import CancellationReason, CaseChange
from services.reactivation.domain.fold import fold_history
from services.reactivation.domain.history import History, OrderEvent, join
from services.reactivation.domain.offers import Code, OfferState, confirm
from tests.support.winback_lives import (
    TERMS,
    Step,
    cancelled,
    changes_of,
    code,
    confirmed,
    day,
    ending,
    fold,
    history,
    lapse,
    offer_of,
    order,
)

reserve = partial(offers.reserve, customer="ada")


def opened(customer: str, *steps: Step, until: float) -> list[Case]:
    """The cases of an id before it is merged."""
    return fold(*steps, until=day(until), customer=customer)


def one(
    ada: Iterable[Step],
    ben: Iterable[Step],
    *,
    known: Iterable[Case] = (),
    at: float,
) -> History:
    """The history of ben, into whom ada was merged."""
    cases = list(known)
    members = [
        history(*ada, known=[case for case in cases if case.origin == "ada"], customer="ada"),
        history(*ben, known=[case for case in cases if case.origin == "ben"], customer="ben"),
    ]
    lapses = {each.key: each for member in members for each in member.lapses}
    return join("ben", members, lapses.values(), day(at))


def changes(merged: History, until: datetime) -> dict[str, CaseChange]:
    """What changes, by the id that a case was opened for."""
    return {each.case.origin: each for each in changes_of(merged, until)}


def code_in(case: Case) -> Code:
    return Code(offer_of(case), case.used_for)


@pytest.mark.parametrize("older", ["ada", "ben"])
def test_two_running_cases_become_the_older_one_and_both_codes_stay_good(older: str) -> None:
    days = {"ada": 5, "ben": 0} if older == "ben" else {"ada": 0, "ben": 5}
    known = [case for id in days for case in opened(id, lapse(days[id]), until=7)]
    merged = one([lapse(days["ada"])], [lapse(days["ben"])], known=known, at=8)
    folded = fold_history(merged, TERMS, day(9))
    (running,) = folded.cases
    assert (running.origin, running.customer, running.state) == (older, "ben", State.OFFERED)
    (younger,) = [each.case for id, each in changes(merged, day(9)).items() if id != older]
    assert (younger.state, younger.reason) == (State.CANCELLED, CancellationReason.SUPERSEDED)
    for case in (running, younger):
        assert code_in(case).state(day(9)) is OfferState.OPEN
        reserved = reserve(code_in(case), "o1", day(9), 30)
        assert isinstance(reserved, Code)
        assert isinstance(confirm(reserved, "o1", day(9)), Code)


@pytest.mark.parametrize("owner", ["ada", "ben"])
def test_either_code_wins_the_customer_back(owner: str) -> None:
    known = [*opened("ada", lapse(0), until=7), *opened("ben", lapse(5), until=7)]
    coupon = code(0, "ada") if owner == "ada" else code(5, "ben")
    merged = one([lapse(0)], [lapse(5), order(10, "o1", coupon, customer="ben")], known=known, at=8)
    folded = fold_history(merged, TERMS, day(12))
    assert [ending(case) for case in folded.cases] == [(State.WON_BACK, day(10), "o1", True)]
    assert {case.origin: folded.used_for[case.id] for case in known} == {
        "ada": "o1" if owner == "ada" else None,
        "ben": "o1" if owner == "ben" else None,
    }


def test_a_reservation_made_before_the_merge_is_confirmed_after_it() -> None:
    (ada,) = opened("ada", lapse(0), until=7)
    reserved = reserve(code_in(ada), "o1", day(7), 60 * 24 * 3)
    assert isinstance(reserved, Code)
    ada = replace(ada, offer=reserved.offer)
    merged = one([lapse(0)], [lapse(5)], known=[ada, *opened("ben", lapse(5), until=7)], at=8)
    (running,) = fold_history(merged, TERMS, day(9)).cases
    used = confirm(code_in(running), "o1", day(9))
    assert isinstance(used, Code)
    assert used.used_for == "o1"


def test_a_code_used_before_the_merge_gives_nothing_after_it() -> None:
    coupon = code(0, "ada")
    bought = order(3, "o1", coupon, customer="ada")
    known = opened("ada", lapse(0), bought, until=4)
    merged = one([lapse(0), bought], [order(10, "o2", coupon, customer="ben")], known=known, at=8)
    (case,) = fold_history(merged, TERMS, day(12)).cases
    assert (ending(case), case.used_for) == ((State.WON_BACK, day(3), "o1", True), "o1")
    assert reserve(code_in(case), "o3", day(12), 30) == "already_redeemed"


def test_a_confirmation_made_before_the_merge_comes_along() -> None:
    (ada,) = opened("ada", lapse(0), until=4)
    used = confirmed(ada, ("o1", 3))
    merged = one([lapse(0)], [], known=[used], at=8)
    (case,) = fold_history(merged, TERMS, day(12)).cases
    assert (case.used_for, case.state) == ("o1", State.WON_BACK)
    undone = one([lapse(0)], [order(3, customer="ben"), cancelled(9)], known=[used], at=8)
    assert fold_history(undone, TERMS, day(12)).cases[0].state is State.REOPENED


def test_a_lapse_that_is_announced_anew_after_the_merge_is_the_same_lapse() -> None:
    known = [*opened("ada", lapse(0), until=7), *opened("ben", lapse(5), until=7)]
    merged = one([lapse(0)], [lapse(0), lapse(5)], known=known, at=8)
    assert [case.origin for case in fold_history(merged, TERMS, day(9)).cases] == ["ada"]


def test_a_lapse_that_the_merge_has_moved_keeps_the_older_case_and_opens_none() -> None:
    """Of one customer the later lapse holds: that of the id that bought last."""
    known = [*opened("ada", lapse(5), until=7), *opened("ben", lapse(0), until=7)]
    merged = one([lapse(5)], [], known=known, at=8)
    folded = fold_history(merged, TERMS, day(9))
    assert [(case.origin, case.state) for case in folded.cases] == [("ben", State.OFFERED)]


def test_cases_that_were_opened_apart_stay_although_one_person_would_have_had_to_wait() -> None:
    known = [*opened("ada", lapse(0), until=60), *opened("ben", lapse(50), until=60)]
    merged = one([lapse(0)], [lapse(50)], known=known, at=61)
    folded = fold_history(merged, TERMS, day(62))
    assert [(case.origin, case.state) for case in folded.cases] == [
        ("ada", State.EXPIRED),
        ("ben", State.OFFERED),
    ]


def test_a_lapse_that_a_correction_has_moved_keeps_its_case_and_code() -> None:
    (before,) = fold(lapse(0), until=day(5))
    (after,) = fold(lapse(4), known=[before], until=day(6))
    assert after == before
    (far,) = fold(lapse(40), known=[before], until=day(41))
    assert far.id != before.id


def test_no_case_arises_from_a_merge() -> None:
    """ada came back by herself on day 0, as ben: her lapse of day 200 is past the cooldown then."""
    own = [lapse(0), lapse(110, "relationship_ended")]
    known = opened("ada", *own, until=111)
    assert [case.lapse for case in known] == [lapse(0)]
    merged = one(own, [order(1, customer="ben")], known=known, at=112)
    folded = fold_history(merged, TERMS, day(113))
    assert [(case.lapse, case.state) for case in folded.cases] == [(lapse(0), State.WON_BACK)]
    later = one([*own, lapse(150)], [order(1, customer="ben")], known=known, at=112)
    assert [case.lapse for case in fold_history(later, TERMS, day(151)).cases] == [
        lapse(0),
        lapse(150),
    ]


def test_a_lapse_of_before_the_merge_that_is_known_only_after_it_opens_its_own_case() -> None:
    merged = one([lapse(5)], [], at=8)
    (case,) = fold_history(merged, TERMS, day(9)).cases
    assert (case.origin, case.customer) == ("ada", "ben")
    assert offer_of(case).code == code(5, "ada")


LAPSES = st.lists(st.sampled_from([0, 10, 100, 110, 120, 130, 140]).map(lapse), max_size=4)
ORDERS = st.lists(st.builds(order, st.integers(0, 40).map(lambda n: 5 * n + 1)), max_size=2)


@settings(max_examples=150, deadline=None)
@given(LAPSES, LAPSES, ORDERS, ORDERS, st.integers(0, 200))
def test_folding_once_more_changes_nothing(
    ada: list[Lapse],
    ben: list[Lapse],
    adas: list[OrderEvent],
    bens: list[OrderEvent],
    at: int,
) -> None:
    steps: tuple[list[Step], list[Step]] = (
        [*set(ada), *set(adas)],
        [*set(ben), *set(bens)],
    )
    before = one(*steps, at=at)
    cases = {each.case.id: each.case for each in changes_of(before, day(220))}
    assert changes_of(one(*steps, known=cases.values(), at=at), day(220)) == []


def test_ids_that_are_two_again_have_their_own_cases_again() -> None:
    known = [*opened("ada", lapse(0), until=7), *opened("ben", lapse(5), until=7)]
    merged = one([lapse(0)], [lapse(5)], known=known, at=8)
    stored = {case.id: case for case in known}
    stored |= {each.case.id: each.case for each in changes(merged, day(9)).values()}
    for id, n in (("ada", 0), ("ben", 5)):
        own = [case for case in stored.values() if case.origin == id]
        (case,) = fold(lapse(n), known=own, until=day(10), customer=id)
        assert (case.customer, case.state) == (id, State.OFFERED)
        assert offer_of(case).code == code(n, id)


def test_what_was_redeemed_while_ids_were_one_stands_when_they_are_two() -> None:
    """ada's code was used for an order of ben's."""
    (ada,) = opened("ada", lapse(0), until=7)
    used = replace(confirmed(ada, ("o1", 9)), customer="ben")
    (case,) = fold(lapse(0), known=[used], until=day(12), customer="ada")
    assert (ending(case), case.used_for) == ((State.WON_BACK, day(9), "o1", True), "o1")
