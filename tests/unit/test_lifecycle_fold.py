"""What must hold of the fold, whatever the events: order, duplicates and batches do not matter."""

import random
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.lifecycle.domain.customer import Customer, Happening, Kind, Move
from services.lifecycle.domain.fold import advance, fold, pass_time
from services.lifecycle.domain.policy import Policy
from services.lifecycle.domain.rules import ON_EVENT, ON_TIME, RULES
from shared.events.transitions import Money, OrderRef
from tests.builders import day

POLICY = Policy(at_risk_days=10, inactive_days=20, former_after_inactive_days=30, prospect_days=25)
END = day(120)


def happening(draw_id: int, hours: int, kind: Kind, amount: int) -> Happening:
    order = OrderRef(f"o{draw_id}", Money(amount, "EUR" if amount % 2 else "USD")) if kind is Kind.ORDER else None
    return Happening(
        day(0) + timedelta(hours=hours), "/shop", f"e{draw_id}", kind, order, amount // 3 if order else None
    )


@st.composite
def lives(draw: st.DrawFn) -> list[Happening]:
    """Events of one customer; several may share an instant, and some lie exactly on a deadline."""
    hours = st.one_of(st.integers(0, 100 * 24), st.integers(0, 10).map(lambda n: n * 240))
    raw = draw(st.lists(st.tuples(hours, st.sampled_from(Kind), st.integers(0, 500)), max_size=12))
    return [happening(n, *parts) for n, parts in enumerate(raw)]


def in_steps(events: list[Happening], ticks: list[datetime]) -> tuple[Customer, list[Move]]:
    """One event after the other, with the clock noticed in between."""
    customer, moves = Customer(), list[Move]()
    for event in events:
        for tick in sorted(t for t in ticks if t <= event.time):
            if not (customer.is_late(event) or tick < customer.since):
                customer, more = pass_time(customer, min(tick, event.time), POLICY)
                moves += more
        customer, more = advance(customer, event, POLICY)
        moves += more
    customer, more = pass_time(customer, END, POLICY)
    return customer, moves + more


@given(lives(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_matters(events: list[Happening], rnd: "random.Random") -> None:
    shuffled = rnd.sample(events, len(events))
    assert fold(shuffled, POLICY, until=END) == fold(events, POLICY, until=END)


@given(lives(), st.lists(st.integers(0, 100 * 24).map(lambda h: day(0) + timedelta(hours=h)), max_size=6))
def test_the_placement_of_ticks_never_matters(events: list[Happening], ticks: list[datetime]) -> None:
    assert in_steps(sorted(events, key=lambda h: h.key), ticks) == fold(events, POLICY, until=END)


@given(lives(), st.integers(0, 120 * 24))
def test_what_held_at_an_instant_is_a_beginning_of_what_holds_later(events: list[Happening], hours: int) -> None:
    instant = day(0) + timedelta(hours=hours)
    _, then = fold([e for e in events if e.time <= instant], POLICY, until=instant)
    _, later = fold(events, POLICY, until=END)
    assert then == [move for move in later if move.occurred_at <= instant]


@given(lives())
def test_a_history_is_a_chain_without_gaps_in_time_order(events: list[Happening]) -> None:
    _, moves = fold(events, POLICY, until=END)
    assert [move.position for move in moves] == list(range(1, len(moves) + 1))
    assert [move.from_ for move in moves] == [None, *(move.to for move in moves[:-1])][: len(moves)]
    assert sorted(moves, key=lambda m: m.occurred_at) == moves


@given(lives())
def test_only_pairs_of_the_table_occur(events: list[Happening]) -> None:
    table = {(source, rule.to) for rule in RULES for source in rule.sources}
    for move in fold(events, POLICY, until=END)[1]:
        assert (move.from_, move.to) in table or move.rule == "recovered"


def test_every_rule_can_fire() -> None:
    reachable = {rule.name for rules in (*ON_EVENT.values(), *ON_TIME.values()) for rule in rules}
    assert reachable == {rule.name for rule in RULES}
