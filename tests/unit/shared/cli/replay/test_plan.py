"""How a log is cut into requests and ticks."""

import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cli.replay.log_file import read_lines
from shared.cli.replay.plan import MOST_EVENTS, Chunk, Tick, steps
from shared.errors import Misconfigured

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


def event(at: datetime, *, kind: str = "order.completed", subject: str = "c1") -> bytes:
    return json.dumps(
        {"id": "1", "type": kind, "subject": subject, "time": at.isoformat()}
    ).encode()


def script(
    *lines: bytes, ticking: bool = True, until: datetime | None = None
) -> list[list[int] | datetime]:
    """Steps as lists of line numbers and instants of ticks."""
    numbered = enumerate(lines, start=1)
    return [
        s.at if isinstance(s, Tick) else s.numbers
        for s in steps(numbered, ticking=ticking, until=until)
    ]


def day(n: int) -> datetime:
    return NEW_YEAR + timedelta(days=n)


def test_each_new_day_and_every_day_between_is_ticked_before_its_first_event() -> None:
    noon = timedelta(hours=12)
    plan = script(event(day(0) + noon), event(day(0) + noon), event(day(3) + noon), until=day(5))
    assert plan == [day(0), [1, 2], day(1), day(2), day(3), [3], day(4), day(5)]


def test_a_late_event_ticks_nothing_because_the_clock_never_goes_back() -> None:
    assert script(event(day(3)), event(day(1)), event(day(3))) == [day(3), [1, 2, 3]]


def test_in_wall_time_nothing_is_ticked() -> None:
    assert script(event(day(0)), event(day(4)), ticking=False) == [[1, 2]]


def test_the_end_may_lie_within_a_day() -> None:
    end = day(1) + timedelta(hours=7)
    assert script(event(day(0)), until=end) == [day(0), [1], day(1), end]


def test_a_day_is_one_of_utc_whatever_the_zone_of_the_event() -> None:
    line = b'{"time": "2024-01-02T01:00:00+02:00"}'
    assert script(line) == [day(0), [1]]


def test_a_tick_in_the_log_goes_alone_after_what_came_before_it() -> None:
    plan = script(event(day(0)), event(day(1), kind="clock.ticked"), event(day(1)), event(day(2)))
    assert plan == [day(0), [1], [2], [3], day(2), [4]]


def test_an_event_without_a_readable_time_is_ingests_to_refuse() -> None:
    assert script(b'{"time": "yesterday"}', b'{"time": 7}', b"{}") == [[1, 2, 3]]


@pytest.mark.parametrize("line", [b"{", b"[]", b'"text"', b"\xff", b'{"time": 1'])
def test_an_unreadable_line_is_named_before_its_request_is_sent(line: bytes) -> None:
    planned = steps([(1, event(day(0))), (2, event(day(0))), (3, line)], ticking=False)
    with pytest.raises(Misconfigured, match="line 3 "):
        next(planned)


def test_requests_are_bounded_in_number_and_in_bytes() -> None:
    many = [event(day(0))] * (MOST_EVENTS + 1)
    assert [
        len(s.lines) for s in steps(enumerate(many), ticking=False) if isinstance(s, Chunk)
    ] == [MOST_EVENTS, 1]
    big = b'{"data": "' + b"x" * 3_000_000 + b'"}'
    assert script(big, big, ticking=False) == [[1], [2]]


@given(st.lists(st.integers(0, 60 * 24 * 20), min_size=1, max_size=40))
def test_order_is_kept_and_no_event_comes_before_the_tick_of_its_day(minutes: list[int]) -> None:
    times = [NEW_YEAR + timedelta(minutes=m) for m in minutes]
    ticked: list[datetime] = []
    sent: list[int] = []
    for step in steps(enumerate(map(event, times)), ticking=True):
        if isinstance(step, Tick):
            assert all(times[n] < step.at for n in sent)
            ticked.append(step.at)
        else:
            assert all(times[n] < ticked[-1] + timedelta(days=1) for n in step.numbers)
            sent += step.numbers
    assert sent == list(range(len(times)))
    assert ticked == sorted(set(ticked))
    assert all(b - a == timedelta(days=1) for a, b in pairwise(ticked))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_plain_and_compressed_files_read_alike_and_blank_lines_keep_their_number(
    pack: Callable[[bytes], bytes],
) -> None:
    raw = io.BytesIO(pack(b'{"a":1}\n\n  \r\n{"b":2}'))
    assert list(read_lines(raw)) == [(1, b'{"a":1}'), (4, b'{"b":2}')]


def test_a_truncated_file_is_an_error_with_the_last_good_line() -> None:
    raw = io.BytesIO(gzip.compress(b"{}\n" * 100)[:-12])
    with pytest.raises(Misconfigured, match="after line"):
        list(read_lines(raw))
