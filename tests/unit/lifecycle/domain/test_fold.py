"""What must hold of the fold: order, duplicates, batches and ticks do not matter."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Final

import msgspec
from hypothesis import given

from services.lifecycle.domain.fold import fold, pass_time
from services.lifecycle.domain.hints import Hint
from services.lifecycle.domain.rules.table import RULES, RULES_FOR
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.domain.state.phases import BONDED, Phase
from tests.support.builders import day, event
from tests.support.customer_events import CUSTOMER, does
from tests.support.lives import BUILT_IN, happenings, live
from tests.support.random_lives import AT, END, POLICY, RANDOM, TICKS, Worker, lives, sampled


def whole(
    events: Iterable[Happening], until: datetime = END
) -> tuple[Customer, list[Move], list[Hint]]:
    customer, moves, hints = fold(events, POLICY, until=until).parts
    return customer, list(moves), list(hints)


def by_worker(batches: Iterable[list[Happening]], ticks: list[float]) -> Worker:
    worker = Worker()
    clock = iter(sorted(ticks))
    for batch in batches:
        worker.take(batch)
        if (at := next(clock, None)) is not None:
            worker.tick(day(at))
    worker.tick(END)
    return worker


# -- properties ------------------------------------------------------------------------------------


@sampled(60)
@given(lives(), RANDOM)
def test_the_order_in_which_events_are_given_never_matters(
    events: list[Happening], rnd: Random
) -> None:
    assert whole(rnd.sample(events, len(events))) == whole(events)


@sampled(150)
@given(lives(), RANDOM, TICKS)
def test_neither_order_nor_duplicates_nor_batches_nor_ticks_matter(
    events: list[Happening], rnd: Random, ticks: list[float]
) -> None:
    arriving = rnd.sample(events, len(events)) + rnd.sample(events, min(3, len(events)))
    batches = list[list[Happening]]()
    left = arriving
    while left:
        cut = rnd.randint(1, len(left))
        batches.append(left[:cut])
        left = left[cut:]
    worker = by_worker(batches, ticks)
    assert (worker.customer, worker.moves, worker.hints) == whole(events)
    assert worker.published >= {(hint.name, hint.occasion) for hint in worker.hints}


@sampled(150)
@given(lives(), TICKS)
def test_what_comes_in_order_gives_the_same_hints_and_no_others(
    events: list[Happening], ticks: list[float]
) -> None:
    worker = Worker()
    left = sorted(ticks)
    for happening in sorted(events, key=lambda h: h.key):
        while left and day(left[0]) <= happening.time:
            worker.tick(day(left.pop(0)))
        worker.take([happening])
    worker.tick(END)
    assert (worker.customer, worker.moves, worker.hints) == whole(events)
    assert worker.published == {(hint.name, hint.occasion) for hint in worker.hints}


@sampled(120)
@given(lives(), AT)
def test_what_held_at_an_instant_is_a_beginning_of_what_holds_later(
    events: list[Happening], at: float
) -> None:
    instant = day(at)
    _, moves, hints = whole([e for e in events if e.time <= instant], instant)
    _, all_moves, all_hints = whole(events)
    assert moves == [move for move in all_moves if move.occurred_at <= instant]
    assert hints == [hint for hint in all_hints if hint.at <= instant]


FROM_ANYWHERE: Final = frozenset(Phase) - {Phase.FORMER}
TABLE: Final[dict[str, tuple[frozenset[Phase | None], frozenset[Phase]]]] = {
    rule: (frozenset(sources), frozenset(targets))
    for rule, sources, targets in (
        ("first_purchase", {None, Phase.PROSPECT, Phase.INACTIVE, Phase.FORMER}, {Phase.NEW}),
        ("first_contact", {None, Phase.INACTIVE}, {Phase.PROSPECT}),
        ("habit_formed", {Phase.NEW}, {Phase.ESTABLISHED}),
        (
            "recommends",
            {None, Phase.PROSPECT, Phase.NEW, Phase.ESTABLISHED, Phase.WON_BACK},
            {Phase.ADVOCATE},
        ),
        ("enthusiasm_faded", {Phase.ADVOCATE}, {Phase.ESTABLISHED, Phase.NEW, Phase.PROSPECT}),
        ("silence_begins", BONDED, {Phase.AT_RISK}),
        ("dissatisfied", BONDED, {Phase.AT_RISK}),
        ("bond_weakens", BONDED, {Phase.AT_RISK}),
        ("cancellation_announced", BONDED, {Phase.AT_RISK}),
        ("recovered", {Phase.AT_RISK}, BONDED),
        ("fell_silent", BONDED | {Phase.AT_RISK}, {Phase.INACTIVE}),
        ("prospect_faded", {Phase.PROSPECT, Phase.ADVOCATE}, {Phase.INACTIVE}),
        ("relationship_ended", FROM_ANYWHERE, {Phase.FORMER}),
        ("returned", {Phase.INACTIVE, Phase.FORMER}, {Phase.WON_BACK}),
        ("settled", {Phase.WON_BACK}, {Phase.ESTABLISHED}),
        (
            "first_purchase_undone",
            {Phase.NEW, Phase.ESTABLISHED, Phase.AT_RISK, Phase.WON_BACK},
            {Phase.PROSPECT, Phase.INACTIVE, Phase.FORMER},
        ),
        ("habit_undone", {Phase.ESTABLISHED}, {Phase.NEW, Phase.WON_BACK}),
    )
}
"""The table of the domain, written a second time."""


@sampled(150)
@given(lives())
def test_a_history_is_a_chain_of_moves_of_the_table(events: list[Happening]) -> None:
    customer, moves, _ = whole(events)
    assert [move.position for move in moves] == list(range(1, len(moves) + 1))
    assert [move.from_ for move in moves] == [None, *(move.to for move in moves)][: len(moves)]
    assert sorted(moves, key=lambda move: move.occurred_at) == moves
    assert customer.phase == (moves[-1].to if moves else None)
    for move in moves:
        sources, targets = TABLE[move.rule]
        assert move.from_ in sources
        assert move.to in targets
        assert move.from_ != move.to


@sampled(100)
@given(lives())
def test_who_recovers_is_back_where_the_risk_began(events: list[Happening]) -> None:
    _, moves, _ = whole(events)
    began: Phase | None = None
    for move in moves:
        if move.to is Phase.AT_RISK:
            began = move.from_
        if move.rule == "recovered":
            assert move.to is began


@sampled(150)
@given(lives(), TICKS)
def test_nothing_is_negative_and_only_who_has_a_cause_is_at_risk(
    events: list[Happening], ticks: list[float]
) -> None:
    left = sorted({happening.time for happening in events} | {day(at) for at in ticks})
    for instant in left:
        customer, moves, _ = whole([h for h in events if h.time <= instant], instant)
        counts = (
            customer.orders,
            customer.orders_since_return,
            customer.contracts_ever,
            customer.incentives,
        )
        assert all(
            count >= 0 for count in (*counts, *customer.revenue.values(), *customer.margin.values())
        )
        assert customer.orders_since_return <= customer.orders
        assert (customer.phase is Phase.AT_RISK) == bool(customer.causes)
        assert customer.due is None or customer.due >= instant
        for move in moves:
            assert (move.to is Phase.AT_RISK) == bool(move.profile.causes)
            assert all(money.amount >= 0 for money in (*move.profile.revenue, *move.profile.margin))


@sampled(60)
@given(lives())
def test_a_hint_comes_once_per_occasion_but_for_another_first_order(
    events: list[Happening],
) -> None:
    _, _, hints = whole(events)
    again = ("welcome", "first_order")  # the first order may be undone, and another be the first
    once = [(hint.name, hint.occasion) for hint in hints if hint.occasion not in again]
    assert len(once) == len(set(once))
    turns = [
        hint.data["incentive"]
        for hint in hints
        if hint.name == "incentive.due" and hint.occasion != "welcome"
    ]
    assert all(one != other for one, other in pairwise(turns))


@sampled(100)
@given(lives(), AT)
def test_a_state_survives_the_store(events: list[Happening], at: float) -> None:
    customer, _, _ = whole(events, day(at))
    stored = msgspec.json.encode(customer)
    assert msgspec.json.decode(stored, type=Customer) == customer


@sampled(60)
@given(lives(), AT)
def test_a_stored_state_goes_on_like_the_one_it_was(events: list[Happening], at: float) -> None:
    before = sorted((h for h in events if h.time <= day(at)), key=lambda h: h.key)
    customer, moves, hints = whole(before, day(at))
    read = msgspec.json.decode(msgspec.json.encode(customer), type=Customer)
    customer, more_moves, more_hints = pass_time(read, END, POLICY).parts
    assert (customer, [*moves, *more_moves], [*hints, *more_hints]) == whole(before)


# -- the table -------------------------------------------------------------------------------------


def test_the_rules_are_those_of_the_table_in_its_order() -> None:
    assert [rule.name.value for rule in RULES] == list(TABLE)
    for rule in RULES:
        sources, targets = TABLE[rule.name]
        assert rule.sources == sources, rule.name
        assert not isinstance(rule.to, Phase) or {rule.to} == targets, rule.name


def test_every_rule_can_be_offered_something() -> None:
    assert {rule.name for rules in RULES_FOR.values() for rule in rules} == {
        rule.name for rule in RULES
    }


def test_time_between_two_instants_is_timed_to_the_microsecond() -> None:
    life = happenings([event(CUSTOMER, "page.viewed", 0)])
    due = day(0) + POLICY.prospect_fades
    assert whole(life, due - timedelta(microseconds=1))[1][-1].rule == "first_contact"
    assert whole(life, due)[1][-1].occurred_at == due


def test_a_merge_that_was_taken_back_leaves_no_trace_in_a_life() -> None:
    life = does("page.viewed", 0)
    between = [*does("customer.merged", 100, into="eve"), *does("customer.unmerged", 101)]
    assert live([*life, *between], 400, BUILT_IN).parts == live(life, 400, BUILT_IN).parts
    assert not live(between, 400, BUILT_IN).moves
