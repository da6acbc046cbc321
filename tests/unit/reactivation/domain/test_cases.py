"""The fold of win-back cases: what opens, ends and cancels them, whatever the order of arrival."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reactivation.domain.cases import Case, Lapse, State, Terms, case_id
from services.reactivation.domain.changes import (
    CancellationReason,
    CaseChange,
    CaseEvent,
)
from services.reactivation.domain.fold import fold_history
from services.reactivation.domain.history import OrderEvent
from tests.support.plain_winback import WINDOW, plain_cases
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
    refunded,
    updated,
)

_LAST = {
    State.CANCELLED: CaseEvent.CASE_CANCELLED,
    State.REOPENED: CaseEvent.CASE_REOPENED,
}


def test_a_held_deadline_waits_but_not_once_something_later_has_happened() -> None:
    """The case of day 0 is due on day 30."""

    def fold_held(*steps: Step, held: float, known: Iterable[Case] = ()) -> State:
        folded = fold_history(history(*steps, known=known), TERMS, day(50), held_until=day(held))
        return folded.cases[0].state

    assert fold_held(lapse(0), held=30) is State.OFFERED
    assert fold_held(lapse(0), held=29) is State.EXPIRED
    assert fold_held(lapse(0), order(40), held=30) is State.EXPIRED
    assert fold_held(lapse(0), order(20), held=30) is State.WON_BACK
    assert fold_held(lapse(0), held=30, known=fold(lapse(0))) is State.EXPIRED


def test_a_lapse_opens_a_case_with_an_offer_at_its_own_instant() -> None:
    (case,) = fold(lapse(3), until=day(3))
    assert case.state is State.OFFERED
    offer = offer_of(case)
    assert case.lapse.occurred_at == offer.made_at == day(3)
    assert (offer.percent, offer.expires_at) == (10, day(33))
    assert case.due == day(33)


def test_an_order_with_the_code_wins_the_customer_back() -> None:
    (case,) = fold(lapse(0), order(5, coupon=code()))
    assert ending(case) == (State.WON_BACK, day(5), "o1", True)
    assert case.used_for == "o1"


def test_a_plain_return_within_the_attribution_counts_as_returned_by_itself() -> None:
    (case,) = fold(lapse(0), order(29.9))
    assert ending(case) == (State.WON_BACK, day(29.9), "o1", False)
    assert case.used_for is None


def test_a_case_without_an_order_expires_at_exactly_its_deadline() -> None:
    assert ending(fold(lapse(0), until=day(30) - timedelta(microseconds=1))[0]) == (
        State.OFFERED,
        None,
        None,
        None,
    )
    assert ending(fold(lapse(0), until=day(30))[0]) == (State.EXPIRED, day(30), None, None)
    assert ending(fold(lapse(0), until=day(400))[0]) == (State.EXPIRED, day(30), None, None)


def test_a_deadline_at_the_instant_of_an_order_fires_before_it() -> None:
    (case,) = fold(lapse(0), order(30, coupon=code()), until=day(1))
    assert ending(case) == (State.EXPIRED, day(30), None, None)
    assert case.used_for is None


def test_an_order_at_the_instant_of_the_lapse_counts_as_after_it() -> None:
    assert fold(lapse(0), order(0))[0].state is State.WON_BACK


def test_an_order_before_the_lapse_never_ends_the_case() -> None:
    assert fold(lapse(0), order(-1, coupon=code()), until=day(29))[0].state is State.OFFERED


def test_somebody_elses_code_is_no_code() -> None:
    foreign = code(0, "c2")
    assert fold(lapse(0), order(5, coupon=foreign))[0].with_code is False


def test_the_longer_of_offer_and_attribution_is_the_deadline() -> None:
    long_offer = replace(TERMS, offer_days=60)
    plain = order(40)
    coded = order(45, "o2", code())
    assert ending(fold(lapse(0), plain, coded, terms=long_offer)[0]) == (
        State.WON_BACK,
        day(45),
        "o2",
        True,
    )
    assert ending(fold(lapse(0), plain, terms=long_offer)[0]) == (
        State.EXPIRED,
        day(60),
        None,
        None,
    )
    long_attribution = replace(TERMS, attribution_days=60)
    assert ending(fold(lapse(0), coded, terms=long_attribution)[0]) == (
        State.WON_BACK,
        day(45),
        "o2",
        False,
    )


def test_a_customer_who_goes_from_inactive_to_former_keeps_the_case() -> None:
    (case,) = fold(lapse(0), lapse(10, "relationship_ended"), until=day(10))
    assert case.lapse == lapse(0)


def test_no_case_is_opened_within_the_cooldown() -> None:
    assert len(fold(lapse(0), lapse(30 + 90 - 0.1, "relationship_ended"))) == 1
    assert len(fold(lapse(0), lapse(30 + 90, "relationship_ended"))) == 2
    assert len(fold(lapse(0), order(5), lapse(5 + 90))) == 2


def test_the_code_may_be_used_after_a_plain_return_and_by_one_order_only() -> None:
    (case,) = fold(
        lapse(0), order(3, "plain"), order(5, "coded", code()), order(6, "again", code())
    )
    assert ending(case) == (State.WON_BACK, day(3), "plain", False)
    assert case.used_for == "coded"


def test_a_confirmed_code_wins_the_customer_back_at_the_confirmation() -> None:
    (offered,) = fold(lapse(0), until=day(1))
    known = confirmed(offered, ("o9", 4))
    assert ending(fold(lapse(0), known=[known], until=day(1))[0]) == (
        State.WON_BACK,
        day(4),
        "o9",
        True,
    )
    assert ending(fold(lapse(0), order(5, "o9"), known=[known])[0]) == (
        State.WON_BACK,
        day(4),
        "o9",
        True,
    )
    assert ending(fold(lapse(0), order(3, "o9"), known=[known])[0]) == (
        State.WON_BACK,
        day(3),
        "o9",
        True,
    )
    assert ending(fold(lapse(0), order(3, "o8", code()), known=[known])[0]) == (
        State.WON_BACK,
        day(3),
        "o8",
        False,
    )


def test_new_terms_never_change_what_was_promised() -> None:
    known = fold(lapse(0), until=day(1))
    other = Terms(secret=b"other", percent=50, offer_days=3, attribution_days=3, cooldown_days=500)
    first, second = fold(lapse(0), lapse(200), known=known, terms=other, until=day(200))
    assert (first.offer, first.cooldown_days) == (known[0].offer, 90)
    assert (offer_of(second).percent, second.cooldown_days) == (50, 500)


def test_a_withdrawn_transition_cancels_the_case_whatever_it_was() -> None:
    for steps in [(lapse(0),), (lapse(0), order(5, coupon=code()))]:
        known = fold(*steps, until=day(6))
        (change,) = changes_of(history(*steps[1:], known=known), day(7))
        assert change.events == (CaseEvent.CASE_CANCELLED,)
        assert (change.case.state, change.case.ended_at) == (State.CANCELLED, day(7))
        assert change.case.reason is CancellationReason.TRANSITION_WITHDRAWN


def test_a_case_in_whose_way_an_earlier_one_stands_is_superseded() -> None:
    later = fold(lapse(50), until=day(50))
    gone, new = changes_of(history(lapse(0), lapse(50), known=later), day(50))
    assert (gone.case.state, gone.case.reason) == (State.CANCELLED, CancellationReason.SUPERSEDED)
    assert (new.case.lapse, new.case.state) == (lapse(0), State.EXPIRED)
    assert new.events == (CaseEvent.CASE_OPENED, CaseEvent.OFFER_MADE, CaseEvent.CASE_CLOSED)


def test_a_transition_withdrawn_and_added_again_is_the_same_case() -> None:
    assert case_id("c1", lapse(3)) == case_id("c1", Lapse(day(3), "fell_silent", "inactive"))
    assert case_id("c1", lapse(3)) != case_id("c2", lapse(3))
    known = fold(lapse(0), until=day(1))
    assert changes_of(history(lapse(0), known=known), day(1)) == []


def test_a_late_order_changes_how_a_case_ended() -> None:
    arrival = Arrival()
    arrival.take([lapse(0)], until=day(40))
    arrival.take([order(5)], until=day(41))
    assert [fact for change in arrival.log for fact in change.events] == [
        CaseEvent.CASE_OPENED,
        CaseEvent.OFFER_MADE,
        CaseEvent.CASE_CLOSED,
        CaseEvent.CASE_CLOSED,
    ]
    assert [ending(case) for case in arrival.live()] == [(State.WON_BACK, day(5), "o1", False)]


def test_a_fold_with_an_older_clock_takes_no_expiry_back() -> None:
    arrival = Arrival()
    arrival.take([lapse(0)], until=day(31))
    arrival.take([order(-2)], until=day(20))
    assert arrival.live()[0].state is State.EXPIRED


class Arrival:
    """What the worker does, without a database: keep what arrives, fold, remember the cases."""

    def __init__(self) -> None:
        self.steps: set[Step] = set()
        self.cases: dict[object, Case] = {}
        self.log: list[CaseChange] = []

    def take(self, steps: Iterable[Step], until: datetime, withdrawn: Iterable[Lapse] = ()) -> None:
        self.steps |= set(steps)
        self.steps -= set(withdrawn)
        for change in changes_of(history(*self.steps, known=self.cases.values()), until):
            running = [
                case
                for case in self.cases.values()
                if case.is_running and case.id != change.case.id
            ]
            assert not (running and change.case.is_running), "endings come before beginnings"
            self.cases[change.case.id] = change.case
            self.log.append(change)

    def live(self) -> list[Case]:
        cases = [case for case in self.cases.values() if case.state is not State.CANCELLED]
        return sorted(cases, key=lambda case: case.lapse.occurred_at)


DAYS = st.integers(0, 40).map(lambda tens: 10 * tens)
LAPSES = st.builds(lapse, DAYS, st.sampled_from(["fell_silent", "relationship_ended"]))
CODES = st.one_of(st.none(), st.builds(code, DAYS))
IDS = st.sampled_from(["o1", "o2", "o3"])
ORDERS = st.builds(order, DAYS, IDS, CODES)
CHANGES = st.one_of(
    ORDERS,
    st.builds(order, DAYS, IDS, CODES, amount=st.sampled_from([0, 500, 2000])),
    st.builds(order, DAYS, IDS, CODES, replacement_of=st.just("o9")),
    st.builds(cancelled, DAYS, IDS),
    st.builds(refunded, DAYS, IDS, st.sampled_from([None, 0, 500, 1000])),
    st.builds(updated, DAYS, IDS, st.sampled_from([500, 2000])),
)
STEPS = st.lists(st.one_of(LAPSES, CHANGES), max_size=10)


def content(cases: Iterable[Case]) -> list[Case]:
    return [replace(case, version=0) for case in cases]


@settings(max_examples=150, deadline=None)
@given(st.lists(LAPSES, min_size=1, max_size=3), st.lists(CHANGES, max_size=7), DAYS)
def test_the_fold_is_what_the_plain_model_says(
    lapses: list[Lapse], changes: list[OrderEvent], clock: int
) -> None:
    until = day(clock)
    plain = plain_cases(list(set(lapses)), list(set(changes)), until)
    assert [
        (case.lapse, case.state, case.ended_at, case.order_id, case.used_for)
        for case in fold(*set(lapses), *set(changes), until=until)
    ] == [(case.lapse, case.state, case.ended, case.order_id, case.used_for) for case in plain]


@settings(max_examples=80, deadline=None)
@given(STEPS, st.data())
def test_arrival_order_duplicates_and_batches_never_change_the_cases(
    steps: list[Step], data: st.DataObject
) -> None:
    void = [each for each in data.draw(st.lists(LAPSES, max_size=3)) if _is_far(each, steps)]
    arriving = data.draw(st.permutations([*steps, *steps, *void]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arriving)), max_size=4)))
    clocks = sorted(data.draw(st.lists(DAYS, min_size=len(cuts) + 1, max_size=len(cuts) + 1)))
    arrival = Arrival()
    for begin, end, clock in zip([0, *cuts], [*cuts, len(arriving)], clocks, strict=True):
        arrival.take(arriving[begin:end], day(clock))
    arrival.take([], day(500), withdrawn=void)
    assert content(arrival.live()) == content(fold(*set(steps), until=day(500)))


def _is_far(void: Lapse, steps: Iterable[Step]) -> bool:
    """Whether the withdrawal of the lapse does not look like a move to another."""
    return all(abs(void.occurred_at - each.occurred_at) >= WINDOW for each in _lapses(steps))


@settings(max_examples=80, deadline=None)
@given(STEPS, st.lists(DAYS, min_size=1, max_size=6))
def test_the_announcements_of_a_case_are_numbered_without_gaps_and_end_where_it_stands(
    steps: list[Step], clocks: list[int]
) -> None:
    arrival = Arrival()
    for clock in sorted(clocks):
        arrival.take(
            steps[: clock % (len(steps) + 1)],
            day(clock),
            withdrawn=_lapses(steps[clock % (len(steps) + 1) :]),
        )
    for case in arrival.cases.values():
        told = [change for change in arrival.log if change.case.id == case.id]
        facts = [fact for change in told for fact in change.events]
        assert len(facts) == case.version
        assert facts[:2] == [CaseEvent.CASE_OPENED, CaseEvent.OFFER_MADE]
        last = facts[-1]
        if case.state is State.OFFERED:
            assert last in (CaseEvent.OFFER_MADE, CaseEvent.CASE_REOPENED)
        else:
            assert last is _LAST.get(case.state, CaseEvent.CASE_CLOSED)
        assert (CaseEvent.CASE_CANCELLED, CaseEvent.CASE_CANCELLED) not in pairwise(facts)


@settings(max_examples=80, deadline=None)
@given(STEPS, DAYS)
def test_every_case_keeps_the_rules(steps: list[Step], clock: int) -> None:
    cases = fold(*steps, until=day(clock))
    for case in cases:
        assert case.is_running == (case.ended_at is None)
        assert case.lapse in steps
        assert (
            case.ended_at is None
            or case.lapse.occurred_at <= case.ended_at <= offer_of(case).deadline
        )
        assert case.state is State.EXPIRED or case.ended_at != offer_of(case).deadline
    assert len([case for case in cases if case.is_running]) <= 1


def _lapses(steps: Iterable[Step]) -> list[Lapse]:
    return [step for step in steps if isinstance(step, Lapse)]
