"""Who may write a partition: owner rows with a fencing epoch and a clock, and their checkpoints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from shared.clock import CLOCK_START, ClockMode
from shared.database.connection import Tx
from shared.errors import Fenced, Misconfigured
from shared.stream.log.last_record import LastRecord

Row = Any
"""A row as asyncpg returns it."""

TopicPartition = tuple[str, int]
"""A topic's name and the number of one of its partitions."""


@dataclass(slots=True)
class Checkpoint:
    """How far one topic's partition has been applied, and why it has stopped, if it has."""

    next_offset: int
    ticked: datetime | None = None
    stopped: str | None = None
    last: LastRecord | None = None


@dataclass(slots=True)
class Claim:
    """What a worker knows about a partition it owns; dropped once it may no longer be true."""

    partition: int
    epoch: int
    clock: datetime
    import_began: datetime | None
    import_open: bool
    checkpoints: dict[str, Checkpoint]


@dataclass(frozen=True, slots=True)
class ClockMove:
    """Where a partition's clock will stand.

    `import_began` is kept while a history import is open, or its deadlines have not fired yet.
    """

    partition: int
    clock: datetime
    import_began: datetime | None
    import_open: bool


@dataclass(frozen=True, slots=True)
class Advance:
    """One checkpoint's move from the offset this owner last wrote to a new one."""

    topic: str
    partition: int
    expected: int
    next_offset: int
    ticked: datetime | None
    stopped: str | None
    last: LastRecord | None

    @classmethod
    def of(cls, tp: TopicPartition, expected: int, checkpoint: Checkpoint) -> Self:
        """The move of a checkpoint to where it is now."""
        return cls(
            *tp,
            expected,
            checkpoint.next_offset,
            checkpoint.ticked,
            checkpoint.stopped,
            checkpoint.last,
        )


_LOCK_ALL: Final = (
    "SELECT 1 FROM owner WHERE partition = ANY($1::int[]) ORDER BY partition FOR UPDATE"
)
_TAKE: Final = """
INSERT INTO owner (partition, epoch, clock, clock_mode)
SELECT p, 1, $2, $3 FROM unnest($1::int[]) AS p ORDER BY p
ON CONFLICT (partition) DO UPDATE SET epoch = owner.epoch + 1
RETURNING partition, epoch, clock, clock_mode, import_began, import_open
"""
_BEGIN: Final = """
INSERT INTO checkpoint (topic, partition, next_offset)
SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[])
ON CONFLICT DO NOTHING
"""
_READ: Final = """
SELECT topic, partition, next_offset, ticked, stopped, last_offset, last_digest FROM checkpoint
WHERE partition = ANY($1::int[])
"""
_EPOCHS: Final = "SELECT partition, epoch FROM owner WHERE partition = ANY($1::int[])"
_LOCK: Final = f"{_EPOCHS} ORDER BY partition FOR NO KEY UPDATE"
_ADVANCE: Final = """
UPDATE checkpoint AS c SET next_offset = a.next_offset, ticked = a.ticked, stopped = a.stopped,
    last_offset = a.last_offset, last_digest = a.last_digest
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[],
            $7::bigint[], $8::bytea[])
    AS a(topic, partition, expected, next_offset, ticked, stopped, last_offset, last_digest)
WHERE c.topic = a.topic AND c.partition = a.partition AND c.next_offset = a.expected
"""
_STOP: Final = """
UPDATE checkpoint AS c SET stopped = s.reason
FROM unnest($1::text[], $2::int[], $3::text[]) AS s(topic, partition, reason)
WHERE c.topic = s.topic AND c.partition = s.partition
"""
_CLOCK: Final = """
UPDATE owner AS o
SET clock = greatest(o.clock, a.clock), import_began = a.import_began, import_open = a.import_open
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[], $4::boolean[])
    AS a(partition, clock, import_began, import_open)
WHERE o.partition = a.partition
"""


async def take(
    tx: Tx, beginnings: Mapping[TopicPartition, int], mode: ClockMode
) -> dict[int, Claim]:
    """Become the owner of all partitions named in `beginnings`.

    Topics without a checkpoint begin at the offset there. Raises Misconfigured if the data was made
    under the other clock mode.
    """
    claims = await _take_owners(tx, sorted({partition for _, partition in beginnings}), mode)
    places = sorted(beginnings)
    await tx.execute(
        _BEGIN,
        [topic for topic, _ in places],
        [partition for _, partition in places],
        [beginnings[place] for place in places],
    )
    for row in await tx.fetch(_READ, list(claims)):
        claims[row["partition"]].checkpoints[row["topic"]] = Checkpoint(
            row["next_offset"], row["ticked"], row["stopped"], _last_record(row)
        )
    return claims


def _last_record(row: Row) -> LastRecord | None:
    offset = row["last_offset"]
    return None if offset is None else LastRecord(offset, row["last_digest"])


async def _take_owners(tx: Tx, partitions: Sequence[int], mode: ClockMode) -> dict[int, Claim]:
    await tx.execute(_LOCK_ALL, partitions)
    claims = {}
    for row in await tx.fetch(_TAKE, partitions, CLOCK_START, mode.value):
        stored = row["clock_mode"]
        if stored != mode:
            raise Misconfigured(
                f"this data lives in {stored} time and the worker was started in {mode} time: "
                f"set STAMMKUNDE_CLOCK={stored} or start with empty data"
            )
        claims[row["partition"]] = Claim(
            row["partition"],
            row["epoch"],
            row["clock"],
            row["import_began"],
            row["import_open"],
            {},
        )
    return claims


async def lock(tx: Tx, epochs: Mapping[int, int]) -> None:
    """Lock the owner rows in partition order; raises Fenced unless every epoch is still ours.

    Keeps out other batches and a new owner, but not the relay's deletes
    (shared/stream/outgoing/relay.py).
    """
    _compare(await tx.fetch(_LOCK, sorted(epochs)), epochs)


async def check(reader: Tx, epochs: Mapping[int, int]) -> None:
    """Raise Fenced unless every epoch is still ours, without waiting for anybody."""
    _compare(await reader.fetch(_EPOCHS, sorted(epochs)), epochs)


def _compare(rows: Iterable[Row], epochs: Mapping[int, int]) -> None:
    current = {row["partition"]: row["epoch"] for row in rows}
    if current != dict(epochs):
        lost = sorted(p for p, epoch in epochs.items() if current.get(p) != epoch)
        raise Fenced(f"partitions {lost} have a new owner")


async def advance(tx: Tx, moves: Iterable[Advance], clocks: Sequence[ClockMove]) -> None:
    """Move checkpoints and clocks; raises Fenced if a checkpoint is not where we left it."""
    await _advance_checkpoints(tx, list(moves))
    if clocks:
        await tx.execute(
            _CLOCK,
            [c.partition for c in clocks],
            [c.clock for c in clocks],
            [c.import_began for c in clocks],
            [c.import_open for c in clocks],
        )


async def _advance_checkpoints(tx: Tx, moves: Sequence[Advance]) -> None:
    if not moves:
        return
    status = await tx.execute(
        _ADVANCE,
        [a.topic for a in moves],
        [a.partition for a in moves],
        [a.expected for a in moves],
        [a.next_offset for a in moves],
        [a.ticked for a in moves],
        [a.stopped for a in moves],
        [a.last and a.last.offset for a in moves],
        [a.last and a.last.digest for a in moves],
    )
    if status != f"UPDATE {len(moves)}":
        raise Fenced(f"checkpoints moved under us: {status}, expected {len(moves)}")


async def stop(tx: Tx, claims: Mapping[int, Claim], reasons: Mapping[TopicPartition, str]) -> None:
    """Stop topics' partitions until an operator resumes them; raises Fenced if one is lost."""
    await lock(tx, {partition: claims[partition].epoch for _, partition in reasons})
    places = list(reasons)
    await tx.execute(
        _STOP,
        [topic for topic, _ in places],
        [partition for _, partition in places],
        [reasons[place] for place in places],
    )
