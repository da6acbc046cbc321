"""The one place that reads the wall clock, and the two modes in which deadlines may move."""

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

CLOCK_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The clock of a partition before its first tick: no deadline lies before it."""

_LAST_MILLIS: Final = 253_370_764_800_000 - 1


class ClockMode(StrEnum):
    """What moves a partition's clock: real time (`wall`), or `clock.ticked` records (`log`)."""

    WALL = "wall"
    LOG = "log"


def now() -> datetime:
    """Return the present instant, in UTC, to the microsecond."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds that never go back, for measurements and time-outs."""
    return time.monotonic()


def from_millis(millis: int) -> datetime:
    """Convert a Kafka timestamp (milliseconds since 1970) to an instant in UTC.

    What lies outside of 1970 to 9998 is the nearer end: a topic of somebody else's making may let
    producers set timestamps.
    """
    return datetime.fromtimestamp(min(max(millis, 0), _LAST_MILLIS) / 1000, UTC)
