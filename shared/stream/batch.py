"""What one transaction applies: for each partition, events in order and then, perhaps, a tick of its clock."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from shared.clock import DAWN
from shared.events.envelope import Envelope
from shared.stream.log.ownership import Advance, ClockMove

NOT_HELD: Final = datetime.min.replace(tzinfo=DAWN.tzinfo)
"""`Portion.held` while no history import is open: before every deadline."""

Read = Callable[[str, Envelope], object]
"""What a service makes of an event on a topic; None skips it. Raises Poison."""


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One decoded record with where it came from; `content` is what the service's `read` made of it."""

    topic: str
    partition: int
    offset: int
    value: bytes
    event: Envelope
    content: Any = None


class DeadLetter(NamedTuple):
    """A record that cannot be applied (or not now: `customer` is parked)."""

    topic: str
    partition: int
    offset: int
    customer: str | None
    reason: str
    detail: str
    value: bytes
    recorded_at: datetime


@dataclass(slots=True)
class Portion:
    """One partition's share of a batch.

    `clock` is where the partition's clock stands while the events are applied; afterwards deadlines may fire until
    `tick`. While a history import is open (`import_open`), deadlines up to `import_began` wait for its end. What
    happens before `closed` lies in a UTC day that was over for this partition.
    """

    partition: int
    epoch: int
    clock: datetime
    import_began: datetime | None = None
    import_open: bool = False
    events: list[Incoming] = field(default_factory=list)
    tick: datetime | None = None
    unfinished: bool = False
    advances: list[Advance] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    closed: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.closed = self.clock.replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def until(self) -> datetime:
        """Deadlines up to here may fire, but for those that are `held`."""
        return self.tick or self.clock

    @property
    def held(self) -> datetime:
        """Deadlines up to here fell due before an open history import began, and wait for its end."""
        return self.import_began or NOT_HELD if self.import_open else NOT_HELD

    def reject(
        self, incoming: Incoming, reason: str, detail: str, *, parked: str | None = None
    ) -> None:
        """Put a record into the dead letters, in the batch's own transaction."""
        topic, partition, offset, value = (
            incoming.topic,
            incoming.partition,
            incoming.offset,
            incoming.value,
        )
        self.dead.append(
            DeadLetter(topic, partition, offset, parked, reason, detail, value, self.clock)
        )

    def recall(self, customer: str) -> list[DeadLetter]:
        """Take back what this batch has put into the dead letters for a parked customer."""
        found = [letter for letter in self.dead if letter.customer == customer]
        self.dead = [letter for letter in self.dead if letter.customer != customer]
        return found

    def clock_move(self) -> ClockMove:
        """The clock after this batch; it stays while deadlines due until the tick are left over (`unfinished`)."""
        done = self.tick is not None and not self.unfinished
        clock = self.tick if self.tick is not None and done else self.clock
        began = None if done and not self.import_open else self.import_began
        return ClockMove(self.partition, clock, began, self.import_open)


async def _at_once() -> None:
    return


@dataclass(slots=True)
class Batch:
    """All portions of one transaction.

    `settled` waits until the batch before this one is committed: call it before reading rows that it may have changed.
    """

    portions: dict[int, Portion] = field(default_factory=dict)
    settled: Callable[[], Awaitable[None]] = _at_once

    @property
    def epochs(self) -> dict[int, int]:
        """The epoch under which each partition is written."""
        return {p: portion.epoch for p, portion in self.portions.items()}

    def drop_empty_portions(self) -> None:
        """Leave out partitions of which nothing is to be applied or noted."""
        self.portions = {
            partition: portion
            for partition, portion in self.portions.items()
            if portion.tick or portion.events or portion.advances
        }

    def advances(self) -> list[Advance]:
        """All moves of checkpoints."""
        return [advance for portion in self.portions.values() for advance in portion.advances]

    def dead_letters(self) -> list[DeadLetter]:
        """All records set aside."""
        return [letter for portion in self.portions.values() for letter in portion.dead]

    def clock_moves(self) -> list[ClockMove]:
        """The clock of each partition after this batch."""
        return [portion.clock_move() for portion in self.portions.values()]

    def events(self) -> Iterator[tuple[Portion, Incoming]]:
        """All events with their portion, each partition's in order."""
        for portion in self.portions.values():
            for incoming in portion.events:
                yield portion, incoming
