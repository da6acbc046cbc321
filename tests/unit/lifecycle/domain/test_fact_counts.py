"""Who is in a phase while a lasting fact holds: counted by changes, told at once or bit by bit."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from services.lifecycle.domain.fact_counts import FactCountChange, fact_count_changes
from services.lifecycle.domain.fold import Folded, fold
from services.lifecycle.domain.phase_models import LASTING_FACTS, CustomerFact
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import SORT_KEY, Happening
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.events import ACTION_TYPES
from tests.support.lives import happenings
from tests.support.random_lives import DATA, END, POLICY, lives, sampled, to_event

NOBODY = Customer()


def by_instant(*parts: Iterable[FactCountChange]) -> dict[tuple[datetime, str, str], int]:
    counts = Counter[tuple[datetime, str, str]]()
    for part in parts:
        for at, fact, phase, n in part:
            counts[at, fact, phase] += n
    return {key: n for key, n in counts.items() if n}


def held(life: Folded, instant: datetime) -> set[tuple[Phase | None, CustomerFact]]:
    """What held at an instant, by looking."""
    phase = next((move.to for move in reversed(life.moves) if move.occurred_at <= instant), None)
    since = {
        CustomerFact.SIGNED_UP: life.customer.signed_up_at,
        CustomerFact.ACTIVATED: life.customer.activated_at,
    }
    return {
        (phase, fact) for fact, at in since.items() if at is not None and at <= instant
    } & LASTING_FACTS


@sampled(200)
@given(lives())
def test_the_changes_up_to_an_instant_come_to_what_held_then(life: list[Happening]) -> None:
    whole = fold(life, POLICY, until=END)
    found = by_instant(fact_count_changes(NOBODY, whole.moves, whole.customer))
    for instant in {happening.time for happening in life} | {
        move.occurred_at for move in whole.moves
    }:
        counts = Counter[tuple[str, str]]()
        for (at, fact, phase), n in found.items():
            counts[phase, fact] += n * (at <= instant)
        assert {key: n for key, n in counts.items() if n} == dict.fromkeys(held(whole, instant), 1)


@sampled(200)
@given(lives(), st.integers(0, 24))
def test_a_life_told_in_two_parts_changes_what_it_changes_at_once(
    life: list[Happening], cut: int
) -> None:
    life.sort(key=SORT_KEY)
    first = fold(life[:cut], POLICY)
    whole = fold(life, POLICY)
    rest = whole.moves[len(first.moves) :]
    parts = (
        fact_count_changes(NOBODY, first.moves, first.customer),
        fact_count_changes(first.customer, rest, whole.customer),
    )
    assert by_instant(*parts) == by_instant(fact_count_changes(NOBODY, whole.moves, whole.customer))


@sampled(100)
@given(st.data())
def test_whoever_acts_has_a_phase_from_then_on(data: st.DataObject) -> None:
    """So the acts alone tell how many of those with a phase have acted."""
    kind = data.draw(st.sampled_from(ACTION_TYPES))
    act = happenings(
        [to_event(0, kind, 50, data.draw(DATA[kind]) if kind in DATA else {}, historical=False)]
    )
    others = [happening for happening in data.draw(lives()) if happening.key < act[0].key]
    moves = fold([*others, *act], POLICY).moves
    assert moves[0].occurred_at <= act[0].time
