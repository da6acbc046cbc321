"""The fold of win-back cases: what opens, ends and cancels them, whatever the order of arrival."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reactivation.domain.cases import (
    Case,
    History,
    Lapse,
    Order,
    State,
    Terms,
    case_id,
    fold_cases,
)
from services.reactivation.domain.changes import (
    CancellationReason,
    CaseChange,
    CaseEvent,
    find_changes,
)
from shared.ids import hash64

START = datetime(2024, 1, 1, tzinfo=UTC)
TERMS = Terms(secret=b"s")
FOREVER = START + timedelta(days=5000)


def day(n: float) -> datetime:
    return START + timedelta(days=n)


def lapse(n: float, rule: str = "fell_silent") -> Lapse:
    return Lapse(day(n), rule, "inactive" if rule == "fell_silent" else "former")


def order(n: float, order_id: str = "o1", coupon: str | None = None) -> Order:
    return Order(day(n), order_id, coupon, hash64(f"{n} {order_id} {coupon}"))


def fold(
    *steps: Lapse | Order,
    until: datetime = FOREVER,
    known: Iterable[Case] = (),
    terms: Terms = TERMS,
) -> list[Case]:
    return list(fold_cases(history(*steps, known=known), terms, until))


def history(*steps: Lapse | Order, known: Iterable[Case] = ()) -> History:
    return History(
        "c1",
        tuple(step for step in steps if isinstance(step, Lapse)),
        tuple(step for step in steps if isinstance(step, Order)),
        {case.id: case for case in known},
    )


def ending(case: Case) -> tuple[State, datetime | None, str | None, bool | None]:
    return case.state, case.ended_at, case.order_id, case.with_code


def test_a_held_deadline_waits_but_not_once_something_later_has_happened() -> None:
    """The case of day 0 is due on day 30."""

    def fold_held(*steps: Lapse | Order, held: float, known: Iterable[Case] = ()) -> State:
        return fold_cases(history(*steps, known=known), TERMS, day(50), held_until=day(held))[
            0
        ].state

    assert fold_held(lapse(0), held=30) is State.OFFERED
    assert fold_held(lapse(0), held=29) is State.EXPIRED
    assert fold_held(lapse(0), order(40), held=30) is State.EXPIRED
    assert fold_held(lapse(0), order(20), held=30) is State.WON_BACK
    assert fold_held(lapse(0), held=30, known=fold(lapse(0))) is State.EXPIRED


def code(n: float = 0) -> str:
    return fold(lapse(n), until=day(n))[0].offer.code


def test_a_lapse_opens_a_case_with_an_offer_at_its_own_instant() -> None:
    (case,) = fold(lapse(3), until=day(3))
    assert case.state is State.OFFERED
    assert case.lapse.occurred_at == case.offer.made_at == day(3)
    assert (case.offer.percent, case.offer.expires_at) == (10, day(33))
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
    foreign = fold_cases(History("c2", (lapse(0),)), TERMS, day(0))[0].offer.code
    assert fold(lapse(0), order(5, coupon=foreign))[0].with_code is False


def test_the_longer_of_offer_and_attribution_is_the_deadline() -> None:
    long_offer = replace(TERMS, offer_days=60)
    plain = order(40)
    coded = order(45, "o2", fold(lapse(0), until=day(0))[0].offer.code)
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
    known = replace(offered, offer=replace(offered.offer, confirmed_for="o9", confirmed_at=day(4)))
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
    assert (second.offer.percent, second.cooldown_days) == (50, 500)


def test_a_withdrawn_transition_cancels_the_case_whatever_it_was() -> None:
    for steps in [(lapse(0),), (lapse(0), order(5, coupon=code()))]:
        known = fold(*steps, until=day(6))
        (change,) = find_changes(history(*steps[1:], known=known), (), day(7))
        assert change.events == (CaseEvent.CASE_CANCELLED,)
        assert (change.case.state, change.case.ended_at) == (State.CANCELLED, day(7))
        assert change.case.reason is CancellationReason.TRANSITION_WITHDRAWN


def test_a_case_in_whose_way_an_earlier_one_stands_is_superseded() -> None:
    later = fold(lapse(50), until=day(50))
    steps = history(lapse(0), lapse(50), known=later)
    gone, new = find_changes(steps, fold_cases(steps, TERMS, day(50)), day(50))
    assert (gone.case.state, gone.case.reason) == (State.CANCELLED, CancellationReason.SUPERSEDED)
    assert (new.case.lapse, new.case.state) == (lapse(0), State.EXPIRED)
    assert new.events == (CaseEvent.CASE_OPENED, CaseEvent.OFFER_MADE, CaseEvent.CASE_CLOSED)


def test_a_transition_withdrawn_and_added_again_is_the_same_case() -> None:
    assert case_id("c1", lapse(3)) == case_id("c1", Lapse(day(3), "fell_silent", "inactive"))
    assert case_id("c1", lapse(3)) != case_id("c2", lapse(3))
    known = fold(lapse(0), until=day(1))
    assert (
        find_changes(
            history(lapse(0), known=known), fold(lapse(0), known=known, until=day(1)), day(1)
        )
        == []
    )


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
        self.steps: set[Lapse | Order] = set()
        self.cases: dict[object, Case] = {}
        self.log: list[CaseChange] = []

    def take(
        self, steps: Iterable[Lapse | Order], until: datetime, withdrawn: Iterable[Lapse] = ()
    ) -> None:
        self.steps |= set(steps)
        self.steps -= set(withdrawn)
        known = history(*self.steps, known=self.cases.values())
        for change in find_changes(known, fold_cases(known, TERMS, until), until):
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
ORDERS = st.builds(order, DAYS, st.sampled_from(["o1", "o2", "o3"]), CODES)
STEPS = st.lists(st.one_of(LAPSES, ORDERS), max_size=8)


def content(cases: Iterable[Case]) -> list[Case]:
    return [replace(case, version=0) for case in cases]


@settings(max_examples=300, deadline=None)
@given(STEPS, st.data())
def test_arrival_order_duplicates_and_batches_never_change_the_cases(
    steps: list[Lapse | Order], data: st.DataObject
) -> None:
    void = data.draw(
        st.lists(LAPSES, max_size=3).map(
            lambda found: [step for step in found if step not in steps]
        )
    )
    arriving = data.draw(st.permutations([*steps, *steps, *void]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arriving)), max_size=4)))
    clocks = sorted(data.draw(st.lists(DAYS, min_size=len(cuts) + 1, max_size=len(cuts) + 1)))
    arrival = Arrival()
    for begin, end, clock in zip([0, *cuts], [*cuts, len(arriving)], clocks, strict=True):
        arrival.take(arriving[begin:end], day(clock))
    arrival.take([], day(500), withdrawn=void)
    assert content(arrival.live()) == content(fold(*set(steps), until=day(500)))


@settings(max_examples=200, deadline=None)
@given(STEPS, st.lists(DAYS, min_size=1, max_size=6))
def test_the_announcements_of_a_case_are_numbered_without_gaps_and_end_where_it_stands(
    steps: list[Lapse | Order], clocks: list[int]
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
        last = {State.OFFERED: CaseEvent.OFFER_MADE, State.CANCELLED: CaseEvent.CASE_CANCELLED}.get(
            case.state, CaseEvent.CASE_CLOSED
        )
        assert facts[-1] is last
        assert (CaseEvent.CASE_CANCELLED, CaseEvent.CASE_CANCELLED) not in pairwise(facts)


@settings(max_examples=200, deadline=None)
@given(STEPS, DAYS)
def test_every_case_keeps_the_rules(steps: list[Lapse | Order], clock: int) -> None:
    cases = fold(*steps, until=day(clock))
    for case in cases:
        assert case.is_running == (case.ended_at is None)
        assert case.lapse in steps
        assert (
            case.ended_at is None or case.lapse.occurred_at <= case.ended_at <= case.offer.deadline
        )
        assert (case.state is State.EXPIRED) == (case.ended_at == case.offer.deadline)
    for first, second in pairwise(cases):
        assert first.ended_at is not None
        assert second.lapse.occurred_at - first.ended_at >= timedelta(days=90)


def _lapses(steps: Sequence[Lapse | Order]) -> list[Lapse]:
    return [step for step in steps if isinstance(step, Lapse)]
