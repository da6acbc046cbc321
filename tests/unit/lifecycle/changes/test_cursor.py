"""Cursors of changes are opaque and short; pages take their share of every partition."""

import base64
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.lifecycle.changes import cursor
from services.lifecycle.changes.cache import ChangeCache
from services.lifecycle.changes.positions import (
    Change,
    ChangeRange,
    Position,
    is_ahead,
    next_ranges,
    number_of_changes,
    position_behind,
)

numbers = st.integers(0, 2**63 - 1)
positions = st.lists(numbers, min_size=1, max_size=20).map(tuple)


@given(positions)
def test_a_cursor_is_the_position_that_it_was_made_of(at: Position) -> None:
    assert cursor.decode(cursor.encode(at), len(at)) == at


def test_a_cursor_is_short() -> None:
    assert len(cursor.encode((100_000,) * 12)) < 60


def sealed(packed: bytes) -> str:
    """Text with a checksum that is right, as a careful forger makes it."""
    return base64.urlsafe_b64encode(packed + crc32(packed).to_bytes(4)).decode().rstrip("=")


FORGED = [
    "",
    "now!",
    "AAAA",
    "é" * 8,
    "A" * 10_000,
    cursor.encode((1, 2)),
    cursor.encode((1, 2, 2**63)),
    cursor.encode((1, 2, 3, 4)),
    cursor.encode((1, 2, 3)) + "=",
    cursor.encode((1, 2, 3))[:-1],
    sealed(b"\2\1\2\3"),
    sealed(b"\1\1\2\x83\0"),
    sealed(b"\1\1\2\3\x80"),
    sealed(b"\1"),
]


@pytest.mark.parametrize("text", FORGED)
def test_anything_else_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (whatever is wrong with it)
        cursor.decode(text, 3)


@given(st.integers(0, 10_000))
def test_a_cursor_that_was_tampered_with_is_refused(place: int) -> None:
    text = cursor.encode((7, 300, 0))
    place %= len(text)
    changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    with pytest.raises(ValueError):  # noqa: PT011
        cursor.decode(changed, 3)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=9),
    st.integers(1, 30),
)
def test_pages_lead_from_any_position_to_the_heads(
    known: list[tuple[int, int]], limit: int
) -> None:
    at, heads = tuple(min(pair) for pair in known), tuple(max(pair) for pair in known)
    left = sum(heads) - sum(at)
    while is_ahead(heads, at):
        parts = next_ranges(at, heads, limit)
        assert 0 < number_of_changes(parts) == min(limit, left), (
            "a page is full while there is enough"
        )
        assert all(
            part.after == at[part.partition] < part.until <= heads[part.partition] for part in parts
        )
        at = position_behind(at, [Change(part.partition, part.until, b"") for part in parts])
        left -= number_of_changes(parts)
    assert (at, left) == (heads, 0)
    assert next_ranges(at, heads, limit) == []


def test_no_partition_waits_for_ever_though_pages_are_small_and_others_never_end() -> None:
    at: Position = (0, 0, 0)
    heads = (10, 1000, 1000)
    for _ in range(30):
        at = position_behind(
            at, [Change(part.partition, part.until, b"") for part in next_ranges(at, heads, 1)]
        )
    assert at == (10, 10, 10)


def test_what_is_newest_is_kept_until_it_is_too_much() -> None:
    recent = ChangeCache(most_bytes=10)
    recent.keep(Change(p, n, b"1234") for p, n in [(0, 1), (1, 1), (0, 2)])
    assert recent.find([ChangeRange(0, 1, 2), ChangeRange(1, 0, 1)]) == [
        Change(0, 2, b"1234"),
        Change(1, 1, b"1234"),
    ]
    assert recent.find([ChangeRange(0, 0, 2)]) is None, "the first had to go"
