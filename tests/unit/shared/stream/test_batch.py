"""What a portion of a batch lets fire, sets aside, and moves."""

from datetime import timedelta

import pytest

from shared.events.envelope import Envelope
from shared.stream.batch import BEFORE_EVERY_DEADLINE, Batch, Incoming, Portion
from shared.stream.log.ownership import Advance, ClockMove
from tests.support.builders import day


def incoming(offset: int) -> Incoming:
    event = Envelope(id=f"{offset}", source="/s", type="t", subject="ada", time=day(0))
    return Incoming("a", 0, offset, b"{}", event, event)


def test_deadlines_may_fire_until_the_tick_or_else_until_the_clock() -> None:
    portion = Portion(0, 1, day(3))
    assert (portion.due_after, portion.due_until) == (BEFORE_EVERY_DEADLINE, day(3))
    portion.tick = day(5)
    assert portion.due_until == day(5)


def test_an_open_import_holds_back_what_fell_due_before_it() -> None:
    portion = Portion(0, 1, day(3), import_began=day(2), import_open=True)
    assert portion.due_after == day(2)
    portion.import_open = False
    assert portion.due_after == BEFORE_EVERY_DEADLINE


def test_the_day_of_a_portion_begins_at_midnight() -> None:
    midnight = day(3) - timedelta(hours=12)
    assert Portion(0, 1, day(3) + timedelta(hours=7, seconds=1)).day_began == midnight


@pytest.mark.parametrize(
    ("tick", "unfinished", "import_open", "clock", "import_began"),
    [
        (None, False, False, 3, 2),
        (5, False, False, 5, None),
        (5, True, False, 3, 2),
        (5, False, True, 5, 2),
    ],
    ids=["no tick", "all fired", "deadlines are left over", "the import is still open"],
)
def test_a_clock_moves_to_a_tick_once_its_deadlines_have_fired(
    tick: int | None, unfinished: bool, import_open: bool, clock: int, import_began: int | None
) -> None:
    portion = Portion(0, 1, day(3), import_began=day(2), import_open=import_open)
    portion.tick = None if tick is None else day(tick)
    portion.unfinished = unfinished
    began = None if import_began is None else day(import_began)
    assert portion.clock_move() == ClockMove(0, day(clock), began, import_open)


def test_letters_of_a_parked_customer_can_be_taken_back_and_no_others() -> None:
    portion = Portion(0, 1, day(3))
    portion.reject(incoming(1), "parked", "why", parked="ada")
    portion.reject(incoming(2), "parked", "why", parked="ben")
    portion.reject(incoming(3), "invalid_data", "no")
    assert [letter.offset for letter in portion.take_back("ada")] == [1]
    assert [letter.offset for letter in portion.dead] == [2, 3]
    assert portion.dead[0].recorded_at == day(3)
    assert portion.take_back("ada") == []


def test_a_batch_has_what_its_portions_have_and_drops_those_that_have_nothing() -> None:
    full = Portion(0, 1, day(3), events=[incoming(1), incoming(2)])
    full.advances.append(Advance("a", 0, 1, 3, None, None, None))
    full.reject(incoming(2), "invalid_data", "no")
    ticking = Portion(1, 2, day(3), tick=day(4))
    batch = Batch({0: full, 1: ticking, 2: Portion(2, 3, day(3))})
    batch.drop_empty_portions()
    assert batch.epochs == {0: 1, 1: 2}
    assert batch.advances() == full.advances
    assert [letter.offset for letter in batch.dead_letters()] == [2]
    assert batch.ticking() == {1: ticking}
    assert ticking.due_span == (1, BEFORE_EVERY_DEADLINE, day(4))
    assert [move.clock for move in batch.clock_moves()] == [day(3), day(4)]
    assert [(portion.partition, i.offset) for portion, i in batch.events()] == [(0, 1), (0, 2)]
