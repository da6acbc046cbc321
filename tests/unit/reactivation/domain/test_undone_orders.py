"""What becomes of cases and codes when orders change: undone, standing again, or no purchase."""

from dataclasses import replace
from datetime import datetime

import pytest

from services.reactivation.domain.cases import Case, State
from services.reactivation.domain.changes import CaseEvent
from shared.orders.facts import OrderAction, Price
from tests.support.winback_lives import (
    TERMS,
    Step,
    cancelled,
    change,
    changes_of,
    code,
    confirmed,
    day,
    ending,
    fold,
    history,
    lapse,
    order,
    refunded,
    updated,
)

CODE = code()
FIVE_EUROS = Price(500, "EUR")
OUT = (State.OFFERED, None, None, None)
BACK_AGAIN = (State.REOPENED, None, None, None)
EXPIRED = (State.EXPIRED, day(30), None, None)


def won(n: float, order_id: str = "o1", *, with_code: bool = True) -> tuple[object, ...]:
    return State.WON_BACK, day(n), order_id, with_code


def withdrawn(n: float) -> Step:
    return change(OrderAction.REFUND_WITHDRAWN, n, amount=FIVE_EUROS)


CODED = order(5, "o1", CODE)
TABLE: list[tuple[str, list[Step], float, tuple[object, ...], str | None]] = [
    ("cancelled in time", [CODED, cancelled(8)], 20, BACK_AGAIN, None),
    ("cancelled, and time passes", [CODED, cancelled(8)], 30, EXPIRED, None),
    ("cancelled too late", [CODED, cancelled(40)], 41, EXPIRED, None),
    ("refunded in part", [CODED, refunded(8, amount=999)], 20, won(5), "o1"),
    ("refunded in parts", [CODED, refunded(8, amount=500), refunded(9)], 20, BACK_AGAIN, None),
    (
        "one refund told twice",
        [CODED, *(refunded(n, amount=500, refund_id="r") for n in (8, 9))],
        20,
        won(5),
        "o1",
    ),
    (
        "a total that sinks to the refund",
        [CODED, refunded(8, amount=500), updated(9, "o1", 500)],
        20,
        BACK_AGAIN,
        None,
    ),
    ("bought again", [CODED, cancelled(8), order(10, "o1", CODE)], 20, won(10), "o1"),
    ("bought again too late", [CODED, cancelled(8), order(31, "o1", CODE)], 40, EXPIRED, None),
    (
        "a refund that is withdrawn",
        [CODED, refunded(8, amount=500), refunded(9, amount=500), withdrawn(40)],
        41,
        won(5),
        "o1",
    ),
    ("cancelled before it was placed", [CODED, cancelled(4)], 20, OUT, None),
    (
        "another order takes the code",
        [CODED, cancelled(8), order(10, "o2", CODE)],
        20,
        won(10, "o2"),
        "o2",
    ),
    (
        "another order stands in its place",
        [CODED, order(7, "o2"), cancelled(8)],
        20,
        won(7, "o2", with_code=False),
        None,
    ),
    (
        "the code after a plain return",
        [order(3, "o2"), CODED, cancelled(8)],
        20,
        won(3, "o2", with_code=False),
        None,
    ),
    ("a replacement", [order(5, "o1", CODE, replacement_of="o0")], 20, OUT, None),
    ("a free order", [order(5, "o1", CODE, amount=0)], 20, won(5), "o1"),
    (
        "a free order refunded",
        [order(5, "o1", CODE, amount=0), refunded(8, amount=0)],
        20,
        BACK_AGAIN,
        None,
    ),
]


@pytest.mark.parametrize(
    ("steps", "until", "ends", "used_for"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_a_case_follows_its_order(
    steps: list[Step], until: float, ends: tuple[object, ...], used_for: str | None
) -> None:
    (case,) = fold(lapse(0), *steps, until=day(until))
    assert (ending(case), case.used_for) == (ends, used_for)


def test_a_free_order_is_no_purchase_if_the_shop_says_so() -> None:
    terms = replace(TERMS, free_orders_count=False)
    (case,) = fold(lapse(0), order(5, "o1", CODE, amount=0), until=day(20), terms=terms)
    assert (ending(case), case.used_for) == (OUT, None)


@pytest.mark.parametrize(
    ("second_lapse", "undone", "ended"),
    [
        pytest.param(10, 12, 12, id="within its time"),
        pytest.param(10, 30, 30, id="at its deadline"),
        pytest.param(40, 41, 30, id="after its deadline"),
    ],
)
def test_an_order_undone_while_another_case_runs_ends_its_own_case(
    second_lapse: int, undone: int, ended: int
) -> None:
    first, second = fold(
        lapse(0),
        order(5),
        lapse(second_lapse, "relationship_ended"),
        cancelled(undone),
        until=day(undone),
        terms=replace(TERMS, cooldown_days=0),
    )
    assert (first.state, first.ended_at) == (State.EXPIRED, day(ended))
    assert second.state is State.OFFERED


def test_a_reopened_case_stands_in_the_way_of_another() -> None:
    cases = fold(lapse(0), order(5), cancelled(8), lapse(10, "relationship_ended"), until=day(20))
    assert [case.state for case in cases] == [State.REOPENED]


(OFFERED,) = fold(lapse(0), until=day(1))
USED = confirmed(OFFERED, ("o1", 4))
CONFIRMED: list[tuple[str, Case, list[Step], tuple[object, ...], str | None]] = [
    ("its order is unknown", USED, [], won(4), "o1"),
    ("its order comes without the code", USED, [order(5)], won(4), "o1"),
    ("cancelled", USED, [order(5), cancelled(8)], BACK_AGAIN, None),
    ("given up before it was placed", USED, [cancelled(8)], BACK_AGAIN, None),
    ("stands again", USED, [order(5), cancelled(8), order(9)], won(9), "o1"),
    (
        "used anew for another order",
        confirmed(OFFERED, ("o1", 4), ("o2", 10)),
        [order(5), cancelled(8)],
        won(10, "o2"),
        "o2",
    ),
    (
        "used anew for another order, and the first stands again",
        confirmed(OFFERED, ("o1", 4), ("o2", 10)),
        [order(5), cancelled(8), order(12)],
        won(10, "o2"),
        "o2",
    ),
    (
        "used anew for the same order",
        confirmed(OFFERED, ("o1", 4), ("o1", 10)),
        [order(5), cancelled(8)],
        won(10),
        "o1",
    ),
    ("it was a replacement", USED, [order(3, replacement_of="o0")], OUT, None),
]


@pytest.mark.parametrize(
    ("known", "steps", "ends", "used_for"),
    [row[1:] for row in CONFIRMED],
    ids=[row[0] for row in CONFIRMED],
)
def test_a_confirmed_code_follows_its_order(
    known: Case, steps: list[Step], ends: tuple[object, ...], used_for: str | None
) -> None:
    (case,) = fold(lapse(0), *steps, known=[known], until=day(20))
    assert (ending(case), case.used_for) == (ends, used_for)


def announced(*arrivals: tuple[list[Step], float]) -> list[CaseEvent]:
    """What is published while steps arrive."""
    steps: list[Step] = []
    cases: dict[object, Case] = {}
    events: list[CaseEvent] = []
    for arriving, clock in arrivals:
        steps += arriving
        until: datetime = day(clock)
        for found in changes_of(history(*steps, known=cases.values()), until):
            cases[found.case.id] = found.case
            events += found.events
    return events


def test_each_turn_of_a_case_is_announced() -> None:
    opening = [CaseEvent.CASE_OPENED, CaseEvent.OFFER_MADE]
    assert announced(
        ([lapse(0)], 0),
        ([CODED], 5),
        ([cancelled(8)], 8),
        ([order(10, "o1", CODE)], 10),
        ([cancelled(12)], 12),
        ([], 30),
    ) == [
        *opening,
        CaseEvent.CASE_CLOSED,
        CaseEvent.CASE_REOPENED,
        CaseEvent.CASE_CLOSED,
        CaseEvent.CASE_REOPENED,
        CaseEvent.CASE_CLOSED,
    ]
    assert announced(([lapse(0), CODED, cancelled(8)], 9)) == [*opening, CaseEvent.CASE_REOPENED]
