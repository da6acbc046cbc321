"""Positions of readers: a number for each partition, what lies ahead, and what to read next."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Position = tuple[int, ...]
"""By partition the number of the last change read, 0 before the first. Numbers have no gaps."""


class ChangeRange(NamedTuple):
    """The changes of a partition behind `after`, up to and with `until`."""

    partition: int
    after: int
    until: int


class Change(NamedTuple):
    """A published transition or correction: its place, and the CloudEvent as JSON."""

    partition: int
    number: int
    body: bytes


class Extent(NamedTuple):
    """What there is to read: what lies behind the floors, up to the heads; the rest is deleted."""

    floors: Position
    heads: Position


def is_ahead(heads: Position, at: Position) -> bool:
    """Whether there is anything to read between a position and the heads."""
    return any(head > number for head, number in zip(heads, at, strict=True))


def next_ranges(at: Position, heads: Position, limit: int) -> list[ChangeRange]:
    """The next changes to read, at most `limit`: an even share of each partition that has some.

    If there are more partitions than that, they take turns, so that none waits for ever.
    """
    left = {
        p: head - number
        for p, (head, number) in enumerate(zip(heads, at, strict=True))
        if head > number
    }
    turn = sum(at) % len(at)
    chosen = sorted(left, key=lambda p: (p - turn) % len(at))[:limit]
    ranges = list[ChangeRange]()
    for place, partition in enumerate(sorted(chosen, key=left.__getitem__)):
        share = min(left[partition], limit // (len(chosen) - place))
        ranges.append(ChangeRange(partition, at[partition], at[partition] + share))
        limit -= share
    return sorted(ranges)


def number_of_changes(parts: Sequence[ChangeRange]) -> int:
    """How many changes the ranges have."""
    return sum(part.until - part.after for part in parts)


def position_behind(at: Position, changes: Iterable[Change]) -> Position:
    """The position behind changes that were read from `at` on."""
    moved = list(at)
    for change in changes:
        moved[change.partition] = change.number
    return tuple(moved)
