"""How a history that has changed becomes rows, messages and daily counts."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest

from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.batch.recorder import Recorder
from services.lifecycle.codecs import decode_transition
from services.lifecycle.domain.fold import Folded, fold
from services.lifecycle.domain.hints import ONBOARDING_STALLED, RENEWAL_DUE, WELCOME, Hint
from services.lifecycle.domain.state.customer import Customer
from shared.events.envelope import decode
from shared.events.transitions import CHANGED, CORRECTED, Correction, Transition
from shared.stream.batch import Portion
from tests.support.batches import SCHEDULE, incoming
from tests.support.builders import day, event, order

CLOCK = day(150)


def folded(*orders: dict[str, Any]) -> Folded:
    return fold([incoming(event).content for event in orders], SCHEDULE, until=CLOCK)


def recorded(entry: CustomerEntry, life: Folded) -> tuple[Recorder, list[Transition]]:
    """Record a whole life; returns its transitions."""
    recorder = Recorder(SCHEDULE)
    entry.customer = life.customer
    recorder.record(entry, Customer(), life, CLOCK, Portion(0, 1, CLOCK))
    return recorder, transitions(recorder)


def transitions(recorder: Recorder) -> list[Transition]:
    return [decode_transition(row[-1]) for row in recorder.transitions]


def replaced(entry: CustomerEntry, old: Sequence[Transition], life: Folded) -> Recorder:
    """Record that the life was another."""
    recorder = Recorder(SCHEDULE)
    before, entry.customer = entry.customer, life.customer
    recorder.replace(entry, before, old, life.moves, Portion(0, 1, CLOCK))
    return recorder


def kinds(recorder: Recorder) -> list[str]:
    return [decode(message.body).type for message in recorder.messages]


def sums(recorders: Iterable[Recorder]) -> dict[Any, int]:
    """The daily counts that are left after all of it."""
    counts: dict[Any, int] = {}
    for recorder in recorders:
        for day_counts in (recorder.counts.flows, recorder.counts.tallies):
            for key, n in day_counts.items():
                counts[key] = counts.get(key, 0) + n
    return {key: n for key, n in counts.items() if n}


def test_every_move_is_one_message_with_a_version_of_its_own() -> None:
    entry = CustomerEntry("anna", 0)
    recorder, history = recorded(entry, folded(order("anna", 0)))
    assert [t.rule for t in history] == ["first_purchase", "silence_begins"]
    assert [t.version for t in history] == [1, 2]
    assert entry.version == 2
    assert kinds(recorder) == [CHANGED] * 2
    assert recorder.count_by_rule == {"first_purchase": 1, "silence_begins": 1}


def test_the_same_life_again_changes_nothing() -> None:
    entry = CustomerEntry("anna", 0)
    life = folded(event("anna", "customer.signed_up", 0), order("anna", 1))
    _, history = recorded(entry, life)
    version = entry.version
    again = replaced(entry, history, life)
    assert (again.transitions, again.messages, again.withdrawn) == ([], [], [])
    assert entry.version == version
    assert again.counts.tallies, "facts are taken away and counted again"
    assert sums([again]) == {}


def test_moves_at_the_end_are_announced_as_changes() -> None:
    entry = CustomerEntry("anna", 0)
    life = folded(order("anna", 0))
    _, history = recorded(entry, life)
    more = replaced(entry, history[:1], life)
    assert kinds(more) == [CHANGED]
    assert [t.rule for t in transitions(more)] == ["silence_begins"]


def test_a_late_order_withdraws_what_it_disproves_in_one_correction() -> None:
    entry = CustomerEntry("anna", 0)
    first, history = recorded(entry, folded(order("anna", 0)))
    life = folded(order("anna", 0), order("anna", 80))
    second = replaced(entry, history, life)
    assert kinds(second)[:1] == [CORRECTED]
    correction = msgspec.json.decode(decode(second.messages[0].body).data, type=Correction)
    assert correction.withdrawn == (2,)
    assert correction.version == 3
    assert [t.rule for t in correction.added] == [move.rule for move in life.moves[1:]]
    assert correction.current == life.moves[-1].to
    assert second.withdrawn == [("anna", 2, 3, CLOCK)]
    only = CustomerEntry("anna", 0)
    at_once, _ = recorded(only, life)
    assert sums([first, second]) == sums([at_once]), "counted as if it had come in time"


def test_a_correction_that_adds_nothing_still_tells_the_phase() -> None:
    entry = CustomerEntry("anna", 0)
    life = folded(order("anna", 0))
    _, history = recorded(entry, life)
    shorter = Folded(life.customer, life.moves[:1])
    correction = replaced(entry, history, shorter)
    (message,) = correction.messages
    body = msgspec.json.decode(decode(message.body).data, type=Correction)
    assert (body.added, body.current) == ((), "new")


def test_a_record_is_withdrawn_whole() -> None:
    entry = CustomerEntry("anna", 0)
    life = folded(order("anna", 0))
    _, history = recorded(entry, life)
    together = [msgspec.structs.replace(transition, version=7) for transition in history]
    shorter = Folded(life.customer, life.moves[:1])
    correction = replaced(entry, together, shorter)
    assert correction.withdrawn == [("anna", 7, 3, CLOCK)]
    assert [t.rule for t in transitions(correction)] == ["first_purchase"]


def corrections(recorder: Recorder) -> list[Correction]:
    """The parts of a correction, none of which is larger than a record may be."""
    assert set(kinds(recorder)) == {CORRECTED}
    assert max(len(message.body) for message in recorder.messages) <= 256 * 1024
    assert len({decode(message.body).id for message in recorder.messages}) == len(recorder.messages)
    return [
        msgspec.json.decode(decode(message.body).data, type=Correction)
        for message in recorder.messages
    ]


def test_a_correction_too_large_for_one_record_comes_in_parts() -> None:
    entry = CustomerEntry("anna", 0)
    life = folded(order("anna", 0))
    first, history = recorded(entry, life)
    many = Folded(life.customer, [msgspec.structs.replace(life.moves[0], episode=9)] * 2_000)
    correction = replaced(entry, history, many)
    parts = corrections(correction)
    assert len(parts) > 2
    assert [(each.part, each.parts) for each in parts] == [
        (number, len(parts)) for number in range(1, len(parts) + 1)
    ]
    assert [each.version for each in parts] == list(range(3, 3 + len(parts)))
    assert {each.first_version for each in parts} == {3}
    assert [(each.withdrawn, each.current) for each in parts[:-1]] == [((), None)] * (
        len(parts) - 1
    )
    assert (parts[-1].withdrawn, parts[-1].current) == ((1, 2), life.moves[0].to)
    for each in parts:
        assert {added.version for added in each.added} == {each.version}
    assert [added for each in parts for added in each.added] == transitions(correction)
    assert len(transitions(correction)) == 2_000
    assert correction.withdrawn == [("anna", n, entry.version, CLOCK) for n in (1, 2)]
    again = replaced(entry, transitions(correction), life)
    assert corrections(again)[-1].withdrawn == tuple(each.version for each in parts)
    assert sums([first, correction, again]) == sums([first]), "counted part by part"


@pytest.mark.parametrize("many", [20_000, 20_001])
def test_of_very_many_void_versions_a_correction_tells_the_first(many: int) -> None:
    entry = CustomerEntry("anna", 0, version=900_000 + many)
    life = folded(order("anna", 0))
    _, history = recorded(CustomerEntry("anna", 0), life)
    old = [msgspec.structs.replace(history[0], version=900_001 + n, episode=9) for n in range(many)]
    long = Folded(life.customer, [life.moves[0]] * 180)
    last = corrections(replaced(entry, old, long))[-1]
    is_listed = many == 20_000
    assert (len(last.withdrawn), last.withdrawn_from) == (
        (many, None) if is_listed else (0, 900_001)
    )
    assert (last.parts, bool(last.added)) == ((2, False) if is_listed else (1, True))


@pytest.mark.parametrize(("age", "began", "given"), [(0, None, 1), (2000, None, 0), (5, 4, 0)])
def test_hints_about_the_past_are_not_given(age: float, began: float | None, given: int) -> None:
    recorder = Recorder(SCHEDULE)
    hint = Hint(WELCOME, day(150 - age), "first")
    import_began = None if began is None else day(150 - began)
    portion = Portion(0, 1, CLOCK, import_began)
    recorder.add_hints(CustomerEntry("anna", 0), [hint], CLOCK, portion)
    assert len(recorder.hints) == given


@pytest.mark.parametrize(("ahead", "given"), [(151, 1), (150, 0)])
def test_a_late_hint_is_given_while_what_it_is_about_lies_ahead(ahead: float, given: int) -> None:
    recorder = Recorder(SCHEDULE)
    hint = Hint(RENEWAL_DUE, day(-2000), "v", ahead=day(ahead))
    recorder.add_hints(CustomerEntry("anna", 0), [hint], CLOCK, Portion(0, 1, CLOCK))
    assert len(recorder.hints) == given


def test_whether_products_are_to_be_put_to_use_is_left_to_the_policy() -> None:
    """It does not matter whether a partition has ever seen a product.activated."""
    recorder = Recorder(SCHEDULE)
    hint = Hint(ONBOARDING_STALLED, CLOCK, "first_order")
    recorder.add_hints(CustomerEntry("anna", 0), [hint], CLOCK, Portion(0, 1, CLOCK))
    assert [row.name for row in recorder.hints] == [ONBOARDING_STALLED]


def test_days_that_were_over_are_restated_at_the_clock() -> None:
    recorder, _ = recorded(CustomerEntry("anna", 0), folded(order("anna", 0)))
    assert recorder.counts.restated.keys() == {
        (0, transition.occurred_at.date()) for transition in transitions(recorder)
    }
    assert set(recorder.counts.restated.values()) == {CLOCK}
