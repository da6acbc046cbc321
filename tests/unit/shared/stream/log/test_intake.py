"""From records to batches: ticks and brakes hold records back, and bad ones are dead letters."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from shared.bounds import LAST_INSTANT
from shared.clock import CLOCK_START, from_millis
from shared.errors import Poison
from shared.events.envelope import Envelope
from shared.ids import partition_of
from shared.kafka.producer import MAX_EVENT
from shared.stream.batch import BEFORE_EVERY_DEADLINE, Read
from shared.stream.log.dead_letters import IN_A_ROW
from shared.stream.log.intake import Intake
from shared.stream.log.ownership import Checkpoint, Claim
from shared.stream.log.partition_clocks import IMPORT_IDLE_S
from tests.support.builders import control, day, encode, order, tick

TOPIC = "customer-events.v1"
CUSTOMER = next(f"c{n}" for n in range(100) if partition_of(f"c{n}", 2) == 0)
STRANGER = next(f"c{n}" for n in range(100) if partition_of(f"c{n}", 2) == 1)


@dataclass
class Record:
    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None


def whole(_: str, event: Envelope) -> object:
    return event


def records(*events: dict[str, Any] | bytes, first: int = 0, topic: str = TOPIC) -> list[Record]:
    return [
        Record(topic, 0, first + n, 1_700_000_000_000 + n, e if isinstance(e, bytes) else encode(e))
        for n, e in enumerate(events)
    ]


def intake(*topics: str, next_offset: int = 0, log_time: bool = True, read: Read = whole) -> Intake:
    names = topics or (TOPIC,)
    claim = Claim(0, 1, CLOCK_START, None, False, {name: Checkpoint(next_offset) for name in names})
    return Intake({0: claim}, partitions=2, tick_topics=names if log_time else None, read=read)


def test_a_batch_ends_at_a_tick_and_goes_on_behind_it() -> None:
    made = intake()
    made.add(records(order(CUSTOMER, 0), tick(1), order(CUSTOMER, 2), tick(3)))
    first = made.next_batch()
    assert [i.offset for _, i in first.events()] == [0]
    assert first.portions[0].tick == day(1)
    made.applied(first)
    second = made.next_batch()
    assert [i.offset for _, i in second.events()] == [2]
    assert (second.portions[0].clock, second.portions[0].tick) == (day(1), day(3))
    made.applied(second)
    assert not made.pending


def test_an_unfinished_tick_comes_again_and_nothing_overtakes_it() -> None:
    made = intake()
    made.add(records(tick(1), order(CUSTOMER, 2)))
    first = made.next_batch()
    first.portions[0].unfinished = True
    made.applied(first)
    again = made.next_batch()
    assert again.portions[0].tick == day(1)
    assert not list(again.events())
    assert not again.portions[0].advances
    made.applied(again)
    assert [i.offset for _, i in made.next_batch().events()] == [1]


def test_with_two_topics_the_least_tick_counts_and_the_other_topic_waits() -> None:
    made = intake("a", "b")
    made.add(records(tick(1), order(CUSTOMER, 2), topic="a"))
    first = made.next_batch()
    assert first.portions[0].tick is None
    made.applied(first)
    assert made.crowded == {("a", 0)}
    made.add(records(tick(1), topic="b"))
    both = made.next_batch()
    assert both.portions[0].tick == day(1)
    made.applied(both)
    assert [i.offset for _, i in made.next_batch().events()] == [1]


def test_records_below_the_checkpoint_are_skipped_and_gaps_are_normal() -> None:
    made = intake(next_offset=5)
    made.add(records(order(CUSTOMER, 0), order(CUSTOMER, 1), first=4))
    made.add(records(order(CUSTOMER, 2), first=9))
    batch = made.next_batch()
    assert [i.offset for _, i in batch.events()] == [5, 9]
    (advance,) = batch.portions[0].advances
    assert (advance.expected, advance.next_offset) == (5, 10)


def test_in_wall_time_ticks_in_the_log_move_nothing() -> None:
    made = intake(log_time=False)
    made.add(records(tick(1), order(CUSTOMER, 2)))
    batch = made.next_batch()
    assert [i.offset for _, i in batch.events()] == [1]
    assert batch.portions[0].tick is None
    made.clocks.set_wall(0, day(9))
    assert made.next_batch().portions[0].tick == day(9)


def test_bad_records_and_strangers_are_set_aside_with_their_reason() -> None:
    made = intake()
    made.add(records(b"{", order(STRANGER, 0), order(CUSTOMER, 1)))
    batch = made.next_batch()
    assert [letter.reason for letter in batch.portions[0].dead] == [
        "undecodable",
        "wrong_partition",
    ]
    assert [i.offset for _, i in batch.events()] == [2]


def test_what_the_service_cannot_read_is_a_dead_letter_and_what_it_does_not_want_is_skipped() -> (
    None
):
    def picky(_: str, event: Envelope) -> object:
        if event.id == "bad":
            raise Poison("invalid_data", "no")
        return None if event.id == "skip" else event

    made = intake(read=picky)
    made.add(
        records(
            order(CUSTOMER, 0, id="bad"),
            order(CUSTOMER, 1, id="skip"),
            order(CUSTOMER, 2, id="good"),
        )
    )
    batch = made.next_batch()
    assert [letter.reason for letter in batch.portions[0].dead] == ["invalid_data"]
    assert [i.offset for _, i in batch.events()] == [2]


def test_a_hundred_dead_letters_in_a_row_stop_the_partition_until_it_is_resumed() -> None:
    made = intake()
    made.add(records(*[b"{"] * IN_A_ROW, order(CUSTOMER, 0)))
    batch = made.next_batch()
    assert len(batch.portions[0].dead) == IN_A_ROW
    assert batch.portions[0].advances[0].stopped == "100 dead letters in a row"
    assert not made.pending
    made.claims[0].checkpoints[TOPIC].stopped = None
    assert [i.offset for _, i in made.next_batch().events()] == [IN_A_ROW]


def test_one_bad_record_in_fifty_stops_it_once_a_thousand_were_seen() -> None:
    made = intake()
    made.add(records(*[b"{" if n % 50 == 0 else order(CUSTOMER, n) for n in range(1200)]))
    batch = made.next_batch()
    stopped = batch.portions[0].advances[0].stopped
    assert stopped is not None
    assert stopped.endswith("dead letters in the last 1001 records")


def test_an_import_holds_back_old_deadlines_until_it_ends() -> None:
    made = intake()
    began = {
        "specversion": "1.0",
        "id": "i",
        "source": "/s",
        "type": "import.started",
        "time": "2024-01-01T00:00:00Z",
    }
    ended = {**began, "id": "j", "type": "import.finished"}
    made.add(records(tick(10), began, tick(11), ended, tick(12)))
    seen = []
    while made.pending:
        batch = made.next_batch()
        made.applied(batch)
        portion = batch.portions[0]
        seen.append(
            (portion.due_after, portion.due_until, portion.import_began, portion.import_open)
        )
    assert seen == [
        (BEFORE_EVERY_DEADLINE, day(10), None, False),
        (day(10), day(11), day(10), True),
        (BEFORE_EVERY_DEADLINE, day(12), day(10), False),
    ]
    assert made.claims[0].import_began is None


def test_an_import_without_progress_for_an_hour_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr("shared.stream.log.partition_clocks.monotonic", lambda: seconds[0])
    made = intake()
    made.add(records(tick(10), control("import.started", 10), order(CUSTOMER, 1)))
    while made.pending:
        made.applied(made.next_batch())
    for idle, still_open in ((IMPORT_IDLE_S - 1, True), (IMPORT_IDLE_S + 1, False)):
        seconds[0] = idle
        made.clocks.end_idle_imports()
        assert made.claims[0].import_open is still_open
    made.add(records(tick(11), first=3))
    assert made.next_batch().portions[0].due_after == BEFORE_EVERY_DEADLINE


def test_a_small_share_of_bad_records_stops_it_wherever_they_stand() -> None:
    for every in (21, 33, 60):
        made = intake()
        made.add(records(*[b"{" if n % every == 0 else order(CUSTOMER, n) for n in range(1, 2000)]))
        assert made.next_batch().portions[0].advances[0].stopped, f"one in {every}"


def test_records_that_no_sender_of_ours_makes_are_dead_letters_not_crashes() -> None:
    deep = b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    beyond = encode({**order(CUSTOMER, 0), "time": "9999-12-31T23:59:59-12:00"})
    nul = encode({**order(CUSTOMER, 0), "subject": "a\0b"})
    inside = encode(order(CUSTOMER, 0, coupon="a\0b"))
    long = encode({**order(CUSTOMER, 0), "subject": "a" * 129})
    early = encode({**order(CUSTOMER, 0), "time": "1899-12-31T23:59:59Z"})
    late = encode({**order(CUSTOMER, 0), "time": "9999-01-01T00:00:00Z"})
    ticked = encode({**tick(1), "time": "9999-01-01T00:00:00Z"})
    made = intake()
    made.add(records(deep, beyond, nul, inside, long, early, late, ticked))
    dead = made.next_batch().portions[0].dead
    assert [letter.reason for letter in dead] == ["undecodable"] * 8
    known = [letter.offset for letter in dead if letter.subject == CUSTOMER]
    assert known == [1, 5, 6], "of which only the time cannot be read"
    assert {(letter.subject, letter.time) for letter in dead} == {(CUSTOMER, None), (None, None)}


def test_of_a_record_larger_than_any_that_is_sent_only_the_beginning_is_kept() -> None:
    """Compressed it may have passed the limit of its topic."""
    large = encode(order(CUSTOMER, 0, note="a" * MAX_EVENT))
    made = intake()
    made.add(records(large, order(CUSTOMER, 1)))
    portion = made.next_batch().portions[0]
    assert [letter.reason for letter in portion.dead] == ["too_large"]
    assert portion.dead[0].value == large[:MAX_EVENT]
    assert [incoming.offset for incoming in portion.events] == [1]


@pytest.mark.parametrize("timestamp", [-(2**62), -1, 2**62])
def test_no_timestamp_of_a_record_leads_out_of_the_calendar(timestamp: int) -> None:
    (record,) = records(control("import.started", 0))
    made = intake(log_time=False)
    made.add([replace(record, timestamp=timestamp)])
    (portion,) = made.next_batch().portions.values()
    assert portion.import_began is not None
    assert CLOCK_START <= portion.import_began <= LAST_INSTANT


def test_in_wall_time_an_import_begins_when_its_record_was_appended() -> None:
    made = intake(log_time=False)
    began = {
        "specversion": "1.0",
        "id": "i",
        "source": "/s",
        "type": "import.started",
        "time": "2024-01-01T00:00:00Z",
    }
    made.add(records(began))
    assert made.next_batch().portions[0].import_began == from_millis(1_700_000_000_000)


def test_markers_are_passed_where_nothing_waits_and_nothing_has_stopped() -> None:
    made = intake()
    checkpoint = made.claims[0].checkpoints[TOPIC]
    made.add(records(order(CUSTOMER, 0), tick(1), order(CUSTOMER, 2)))
    made.pass_markers((TOPIC, 0), 9)
    assert checkpoint.next_offset == 0
    while made.pending:
        made.applied(made.next_batch())
    last = checkpoint.last
    made.pass_markers((TOPIC, 0), 9)
    (advance,) = made.next_batch().advances()
    assert (advance.expected, advance.next_offset, advance.last) == (3, 9, last)
    assert last is not None
    checkpoint.stopped = "why"
    made.pass_markers((TOPIC, 0), 12)
    assert (checkpoint.next_offset, made.next_batch().portions) == (9, {})


def test_records_behind_a_tick_or_a_stop_are_held() -> None:
    made = intake()
    held = [made.is_held((TOPIC, 0))]
    made.add(records(tick(1), order(CUSTOMER, 2)))
    held.append(made.is_held((TOPIC, 0)))
    batch = made.next_batch()
    held.append(made.is_held((TOPIC, 0)))
    made.applied(batch)
    held.append(made.is_held((TOPIC, 0)))
    made.claims[0].checkpoints[TOPIC].stopped = "why"
    held.append(made.is_held((TOPIC, 0)))
    assert held == [False, False, True, False, True]
