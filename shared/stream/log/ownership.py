"""Who may write a partition: owner rows with an epoch that fences, a clock, and the checkpoints under them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.clock import DAWN, ClockMode
from shared.database.connection import Tx
from shared.errors import Fenced, Misconfigured

TopicPartition = tuple[str, int]


@dataclass(slots=True)
class Checkpoint:
    """How far one topic's partition has been applied."""

    next_offset: int
    ticked: datetime | None = None
    braked: str | None = None


@dataclass(slots=True)
class Claim:
    """What a worker knows about a partition it owns; dropped as soon as it may no longer be true."""

    partition: int
    epoch: int
    clock: datetime
    import_began: datetime | None
    import_open: bool
    checkpoints: dict[str, Checkpoint]


@dataclass(frozen=True, slots=True)
class ClockMove:
    """A partition's clock as it will stand, and its history import, if one is open or its deadlines still wait."""

    partition: int
    clock: datetime
    import_began: datetime | None
    import_open: bool


@dataclass(frozen=True, slots=True)
class Position:
    """A checkpoint as an operator sees it."""

    topic: str
    partition: int
    next_offset: int
    ticked: datetime | None
    braked: str | None


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
_READ: Final = "SELECT topic, partition, next_offset, ticked, braked FROM checkpoint WHERE partition = ANY($1::int[])"
_LOCK: Final = """
SELECT partition, epoch FROM owner WHERE partition = ANY($1::int[]) ORDER BY partition FOR NO KEY UPDATE
"""
_ADVANCE: Final = """
UPDATE checkpoint AS c SET next_offset = a.next_offset, ticked = a.ticked, braked = a.braked
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[])
    AS a(topic, partition, expected, next_offset, ticked, braked)
WHERE c.topic = a.topic AND c.partition = a.partition AND c.next_offset = a.expected
"""
_CLOCK: Final = """
UPDATE owner AS o SET clock = greatest(o.clock, a.clock), import_began = a.import_began, import_open = a.import_open
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[], $4::boolean[])
    AS a(partition, clock, import_began, import_open)
WHERE o.partition = a.partition
"""
_ALL: Final = (
    "SELECT topic, partition, next_offset, ticked, braked FROM checkpoint ORDER BY topic, partition"
)
_FENCE: Final = "UPDATE owner SET epoch = epoch + 1 WHERE partition = $1"
_MOVE: Final = """
UPDATE checkpoint SET next_offset = $4 WHERE topic = $1 AND partition = $2 AND next_offset = $3
"""
_RESUME: Final = (
    "UPDATE checkpoint SET braked = NULL WHERE topic = $1 AND partition = $2 AND braked IS NOT NULL"
)


async def take(
    tx: Tx, beginnings: Mapping[TopicPartition, int], mode: ClockMode
) -> dict[int, Claim]:
    """Become the owner of all partitions named; topics without a checkpoint begin at the offset given.

    Raises Misconfigured if the data was made under the other clock mode.
    """
    partitions = sorted({partition for _, partition in beginnings})
    await tx.execute(_LOCK_ALL, partitions)
    rows = await tx.fetch(_TAKE, partitions, DAWN, mode.value)
    for row in rows:
        if row["clock_mode"] != mode:
            raise Misconfigured(
                f"this data lives in {row['clock_mode']} time and the worker was started in {mode} time: "
                f"set STAMMKUNDE_CLOCK={row['clock_mode']} or start with empty data"
            )
    topics = sorted(beginnings)
    await tx.execute(
        _BEGIN, [t for t, _ in topics], [p for _, p in topics], [beginnings[tp] for tp in topics]
    )
    claims = {
        r["partition"]: Claim(
            r["partition"], r["epoch"], r["clock"], r["import_began"], r["import_open"], {}
        )
        for r in rows
    }
    for row in await tx.fetch(_READ, partitions):
        claims[row["partition"]].checkpoints[row["topic"]] = Checkpoint(
            row["next_offset"], row["ticked"], row["braked"]
        )
    return claims


async def lock(tx: Tx, epochs: Mapping[int, int]) -> None:
    """Lock the owner rows in partition order; raises Fenced unless every epoch is still ours.

    Keeps out other batches and a new owner, but not the relay's deletes (shared/stream/outgoing/relay.py).
    """
    found = {row["partition"]: row["epoch"] for row in await tx.fetch(_LOCK, sorted(epochs))}
    if found != dict(epochs):
        lost = sorted(p for p, epoch in epochs.items() if found.get(p) != epoch)
        raise Fenced(f"partitions {lost} have a new owner")


async def advance(tx: Tx, moves: Iterable[Advance], clocks: Sequence[ClockMove]) -> None:
    """Move checkpoints and clocks; raises Fenced if a checkpoint is not where this owner left it."""
    rows = list(moves)
    if rows:
        status = await tx.execute(
            _ADVANCE,
            [a.topic for a in rows],
            [a.partition for a in rows],
            [a.expected for a in rows],
            [a.next_offset for a in rows],
            [a.ticked for a in rows],
            [a.braked for a in rows],
        )
        if status != f"UPDATE {len(rows)}":
            raise Fenced(f"checkpoints moved under us: {status}, expected {len(rows)}")
    if clocks:
        await tx.execute(
            _CLOCK,
            [c.partition for c in clocks],
            [c.clock for c in clocks],
            [c.import_began for c in clocks],
            [c.import_open for c in clocks],
        )


async def released_brakes(tx: Tx, partitions: Iterable[int]) -> set[TopicPartition]:
    """The topics' partitions among those given that nothing holds back."""
    rows = await tx.fetch(_READ, list(partitions))
    return {(row["topic"], row["partition"]) for row in rows if row["braked"] is None}


async def resume(tx: Tx, topic: str, partition: int) -> bool:
    """Release a brake; False if there was none."""
    return await tx.execute(_RESUME, topic, partition) == "UPDATE 1"


async def positions(connection: Tx) -> list[Position]:
    """All checkpoints of a service, by topic and partition."""
    return [Position(*row) for row in await connection.fetch(_ALL)]


async def reset(tx: Tx, topic: str, partition: int, *, expected: int, next_offset: int) -> bool:
    """Move a checkpoint by hand and fence the owner, which takes the partition anew; False if it stood elsewhere."""
    await tx.execute(_FENCE, partition)
    return await tx.execute(_MOVE, topic, partition, expected, next_offset) == "UPDATE 1"
