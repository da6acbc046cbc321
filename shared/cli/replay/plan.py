"""The order in which a log is sent: events in chunks, with a tick before each new day."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

import msgspec

from shared.errors import Misconfigured
from shared.events.envelope import CLOCK_TICKED
from shared.instants import parse

MOST_EVENTS: Final = 1000
MOST_BYTES: Final = 4 * 1024 * 1024
"""Below ingest's limit of 5 MiB for a request, including brackets and commas."""
_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class Chunk:
    """Events for one request, exactly as in the log, with their line numbers."""

    lines: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    size: int = 0

    def add(self, number: int, line: bytes) -> None:
        self.lines.append(line)
        self.numbers.append(number)
        self.size += len(line) + 1

    def has_room_for(self, line: bytes) -> bool:
        return len(self.lines) < MOST_EVENTS and self.size + len(line) + 1 <= MOST_BYTES


@dataclass(frozen=True, slots=True)
class Tick:
    """Moves the clock of the log; everything sent before must be acknowledged first."""

    at: datetime


class _Line(msgspec.Struct):
    # Any: ingest judges whether an event is valid; here only its time and type matter, if present.
    type: Any = None
    time: Any = None


_decoder: Final = msgspec.json.Decoder(_Line)


def steps(
    numbered: Iterable[tuple[int, bytes]], *, ticking: bool, until: datetime | None = None
) -> Iterator[Chunk | Tick]:
    """Cut numbered lines of JSON events into requests, in order.

    With `ticking`, a tick at 00:00Z of each day precedes the first event of that day or later,
    and a tick at `until` comes last. Raises Misconfigured at a line that cannot be read, before
    the request that would hold it.
    """
    chunk = Chunk()
    latest: datetime | None = None
    for number, line in numbered:
        moment, is_tick = _time_and_whether_tick(number, line)
        ticks = list(_midnights(latest, moment)) if ticking and moment and not is_tick else []
        if chunk.lines and (ticks or is_tick or not chunk.has_room_for(line)):
            yield chunk
            chunk = Chunk()
        yield from ticks
        if moment is not None:
            latest = max(latest or moment, moment)
        chunk.add(number, line)
        if is_tick:
            yield chunk
            chunk = Chunk()
    if chunk.lines:
        yield chunk
    if ticking and until is not None:
        yield from _last_ticks(latest, until)


def _time_and_whether_tick(number: int, line: bytes) -> tuple[datetime | None, bool]:
    """The time of an event, None if it has no valid one, and whether it is itself a tick."""
    try:
        event = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"line {number} cannot be read as a JSON object: {error}") from error
    try:
        moment = parse(event.time) if isinstance(event.time, str) else None
    except ValueError:
        return None, False
    return moment, event.type == CLOCK_TICKED


def _midnights(latest: datetime | None, moment: datetime) -> Iterator[Tick]:
    """00:00Z of each day after that of `latest`, up to that of `moment`."""
    end = _midnight(moment)
    at = end if latest is None else _midnight(latest) + _DAY
    while at <= end:
        yield Tick(at)
        at += _DAY


def _last_ticks(latest: datetime | None, until: datetime) -> Iterator[Tick]:
    if latest is not None:
        yield from (tick for tick in _midnights(latest, until) if tick.at < until)
    yield Tick(until)


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC).date(), time(tzinfo=UTC))
