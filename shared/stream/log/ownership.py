"""Who may write a partition: owner rows with a fencing epoch and a clock, and their checkpoints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.clock import CLOCK_START, ClockMode
from shared.database.connection import Tx
from shared.errors import Fenced, Misconfigured

TopicPartition = tuple[str, int]
"""A topic's name and the number of one of its partitions."""


@dataclass(slots=True)
class Checkpoint:
    """How far one topic's partition has been applied."""

    next_offset: int
    ticked: datetime | None = None
    braked: str | None = None


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
    braked: str | None


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
SELECT topic, partition, next_offset, ticked, braked FROM checkpoint
WHERE partition = ANY($1::int[])
"""
_LOCK: Final = """
SELECT partition, epoch FROM owner WHERE partition = ANY($1::int[])
ORDER BY partition FOR NO KEY UPDATE
"""
_ADVANCE: Final = """
UPDATE checkpoint AS c SET next_offset = a.next_offset, ticked = a.ticked, braked = a.braked
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[])
    AS a(topic, partition, expected, next_offset, ticked, braked)
WHERE c.topic = a.topic AND c.partition = a.partition AND c.next_offset = a.expected
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
            row["next_offset"], row["ticked"], row["braked"]
        )
    return claims


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
    current = {row["partition"]: row["epoch"] for row in await tx.fetch(_LOCK, sorted(epochs))}
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
        [a.braked for a in moves],
    )
    if status != f"UPDATE {len(moves)}":
        raise Fenced(f"checkpoints moved under us: {status}, expected {len(moves)}")


async def released_brakes(tx: Tx, partitions: Iterable[int]) -> set[TopicPartition]:
    """Return the topics' partitions, among the partitions given, that no brake holds."""
    rows = await tx.fetch(_READ, list(partitions))
    return {(row["topic"], row["partition"]) for row in rows if row["braked"] is None}
