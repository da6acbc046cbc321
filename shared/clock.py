"""The one place that reads the wall clock, and the two modes in which deadlines may move."""

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

CLOCK_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The clock of a partition before its first tick: no deadline lies before it."""


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
    """Convert a Kafka timestamp (milliseconds since 1970) to an instant in UTC."""
    return datetime.fromtimestamp(millis / 1000, UTC)
