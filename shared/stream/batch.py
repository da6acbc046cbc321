"""What one transaction applies: each partition's events in order, then perhaps a tick."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Self

import msgspec

from shared.errors import StammkundeError
from shared.events.envelope import Envelope
from shared.stream.log.ownership import Advance, ClockMove

BEFORE_EVERY_DEADLINE: Final = datetime.min.replace(tzinfo=UTC)
"""`Portion.due_after` while no history import is open."""

Read = Callable[[str, Envelope], object]
"""What a service makes of an event, given its topic; None skips it. Raises Poison."""


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A decoded record and its place in the log; `content` is what the service's `read` made."""

    topic: str
    partition: int
    offset: int
    value: bytes
    event: Envelope
    content: Any = None


class DeadLetter(NamedTuple):
    """A record that cannot be applied (or not now: `customer` is parked).

    `subject` is whose event it is, and `time` when it happened; None if that cannot be read.
    """

    topic: str
    partition: int
    offset: int
    customer: str | None
    subject: str | None
    time: datetime | None
    reason: str
    detail: str
    value: bytes
    recorded_at: datetime


class DueSpan(NamedTuple):
    """Deadlines of a partition after one instant and up to another."""

    partition: int
    after: datetime
    until: datetime


@dataclass(slots=True)
class Portion:
    """One partition's share of a batch.

    `clock` is where the partition's clock stands while the events are applied; afterwards deadlines
    may fire until `tick`. The first `unread` of the dead letters could not be read; a handler adds
    others. `day_began` is when the clock's UTC day began: earlier days are over for
    this partition. A service sets `unfinished` if it leaves deadlines until `tick` for later.
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
    unread: int = 0
    day_began: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.day_began = self.clock.replace(hour=0, minute=0, second=0, microsecond=0)

    def anew(self) -> Self:
        """The portion as it was before a handler had it."""
        return replace(self, unfinished=False, dead=self.dead[: self.unread])

    @property
    def due_until(self) -> datetime:
        """Deadlines later than `due_after`, up to here, may fire."""
        return self.tick or self.clock

    @property
    def due_after(self) -> datetime:
        """Deadlines up to here wait for the end of a history import: they fell due before it."""
        if not self.import_open:
            return BEFORE_EVERY_DEADLINE
        return self.import_began or BEFORE_EVERY_DEADLINE

    @property
    def due_span(self) -> DueSpan:
        """The deadlines that may fire."""
        return DueSpan(self.partition, self.due_after, self.due_until)

    def reject(
        self, incoming: Incoming, reason: str, detail: str, *, parked: str | None = None
    ) -> None:
        """Put a record into the dead letters; `parked` is the customer who is parked, if one is."""
        self.dead.append(
            DeadLetter(
                incoming.topic,
                incoming.partition,
                incoming.offset,
                parked,
                incoming.event.subject,
                incoming.event.time,
                reason,
                detail,
                incoming.value,
                self.clock,
            )
        )

    def take_back(self, customer: str) -> list[DeadLetter]:
        """Take back what this batch has put into the dead letters for a parked customer."""
        letters = [letter for letter in self.dead if letter.customer == customer]
        self.dead = [letter for letter in self.dead if letter.customer != customer]
        return letters

    def clock_move(self) -> ClockMove:
        """Return the clock after this batch: the tick, unless deadlines until it are left over."""
        clock = self.clock
        import_began = self.import_began
        if self.tick is not None and not self.unfinished:
            clock = self.tick
            import_began = import_began if self.import_open else None
        return ClockMove(self.partition, clock, import_began, self.import_open)


async def _no_previous_batch() -> None:
    return


@dataclass(slots=True)
class Batch:
    """All portions of one transaction.

    `refused` are customers to be parked for a reason, by customer: the database has refused their
    data. `previous_committed` waits until the batch before this one is committed: call it before
    reading rows that that batch may have changed.
    """

    portions: dict[int, Portion] = field(default_factory=dict)
    previous_committed: Callable[[], Awaitable[None]] = _no_previous_batch
    refused: Mapping[str, str] = field(default_factory=dict)

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

    def ticking(self) -> dict[int, Portion]:
        """The portions whose deadlines fire, by partition: those with a tick."""
        return {
            partition: portion
            for partition, portion in self.portions.items()
            if portion.tick is not None
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


class BatchRefused(StammkundeError):
    """The database refuses what the batch says: find the customers for whose data it does."""

    def __init__(self, batch: Batch) -> None:
        super().__init__("the database refuses the data of a batch")
        self.batch = batch
