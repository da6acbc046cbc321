"""From Kafka's records to batches: what is read, skipped, set aside, or held back behind a tick."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from shared.clock import from_millis, monotonic
from shared.errors import Poison
from shared.events import envelope
from shared.events.envelope import CLOCK_TICKED, CONTROL, IMPORT_FINISHED, IMPORT_STARTED, Envelope
from shared.ids import partition_of
from shared.stream.batch import Batch, DeadLetter, Incoming, Portion, Read
from shared.stream.log.dead_letters import Brake
from shared.stream.log.ownership import Advance, Checkpoint, Claim, TopicPartition

IMPORT_IDLE_S: Final = 3600.0


class Record(Protocol):
    """What is needed of a record of aiokafka's; `timestamp` in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes


class Intake:
    """The records fetched but not yet applied, of the partitions owned.

    `tick_topics` are the topics whose ticks move the clock in log time (the least of them counts); None in wall time.
    """

    def __init__(
        self,
        claims: Mapping[int, Claim],
        *,
        partitions: int,
        tick_topics: Sequence[str] | None,
        read: Read,
    ) -> None:
        self.claims: Final = claims
        self._service_read: Final = read
        self._partitions = partitions
        self._tick_topics = tick_topics
        self._waiting: dict[TopicPartition, deque[Record]] = {}
        self._brakes: dict[TopicPartition, Brake] = {}
        self._wall: dict[int, datetime] = {}
        self.appended: dict[TopicPartition, datetime] = {}
        self._import_progress: dict[int, float] = {}

    def add(self, records: Sequence[Record]) -> None:
        """Take fetched records of one topic's partition, in order."""
        if records:
            self._waiting.setdefault((records[0].topic, records[0].partition), deque()).extend(
                records
            )

    def clock_reads(self, partition: int, at: datetime) -> None:
        """In wall time: everything until `at` has been fetched, so deadlines until then may fire."""
        self._wall[partition] = at

    def release(self, tp: TopicPartition) -> None:
        """Go on behind the brake, and count anew."""
        self._checkpoint(tp).braked = None
        self._brakes.pop(tp, None)

    @property
    def pending(self) -> bool:
        """Is there work without fetching more?"""
        return any(map(self._readable, self._waiting)) or any(
            self._tick(claim) for claim in self.claims.values()
        )

    @property
    def crowded(self) -> set[TopicPartition]:
        """Topics' partitions to fetch no more of for now: records of theirs wait, behind a tick or a brake."""
        return set(self._waiting)

    def next_batch(self, pending_work: Collection[int] = ()) -> Batch:
        """Everything that may be applied now: per partition up to the next tick; those with pending_work in any case."""
        batch = Batch()
        before = {
            tp: self._checkpoint(tp).next_offset for tp in self._waiting if tp[1] in self.claims
        }
        for topic, partition in sorted(self._waiting):
            if partition in self.claims:
                self._read((topic, partition), self._portion(batch, partition))
        self._waiting = {
            tp: queue for tp, queue in self._waiting.items() if queue and tp[1] in self.claims
        }
        for claim in self.claims.values():
            tick = self._tick(claim)
            if tick is not None:
                self._portion(batch, claim.partition).tick = tick
        for tp, expected in before.items():
            self._note_advance(batch, tp, expected)
        batch.portions = {
            p: x for p, x in batch.portions.items() if x.tick or x.events or x.advances
        }
        for partition in pending_work:
            if partition in self.claims:
                self._portion(batch, partition)
        return batch

    def applied(self, batch: Batch) -> None:
        """The batch has been folded: the clocks stand where it moved them."""
        for partition, portion in batch.portions.items():
            move, claim = portion.clock_move(), self.claims[partition]
            claim.clock, claim.import_began = move.clock, move.import_began
            if self._wall.get(partition) == move.clock:
                del self._wall[partition]

    def end_idle_imports(self) -> None:
        """A history import without progress for an hour is over, whatever became of its sender."""
        for partition, claim in self.claims.items():
            since = self._import_progress.setdefault(partition, monotonic())
            if claim.import_open and monotonic() - since > IMPORT_IDLE_S:
                claim.import_open = False

    def _portion(self, batch: Batch, partition: int) -> Portion:
        claim = self.claims[partition]
        if partition not in batch.portions:
            batch.portions[partition] = Portion(
                partition, claim.epoch, claim.clock, claim.import_began, claim.import_open
            )
        return batch.portions[partition]

    def _checkpoint(self, tp: TopicPartition) -> Checkpoint:
        return self.claims[tp[1]].checkpoints[tp[0]]

    def _tick(self, claim: Claim) -> datetime | None:
        if self._tick_topics is None:
            tick = self._wall.get(claim.partition)
        else:
            ticks = [claim.checkpoints[topic].ticked for topic in self._tick_topics]
            tick = None if None in ticks else min(t for t in ticks if t is not None)
        return tick if tick is not None and tick > claim.clock else None

    def _readable(self, tp: TopicPartition) -> bool:
        """Has it a record that may be applied? What lies behind a tick waits until the tick's deadlines have fired."""
        if not self._waiting[tp] or tp[1] not in self.claims:
            return False
        checkpoint, clock = self._checkpoint(tp), self.claims[tp[1]].clock
        if checkpoint.braked is not None:
            return False
        return (
            tp[0] not in (self._tick_topics or ())
            or checkpoint.ticked is None
            or checkpoint.ticked <= clock
        )

    def _read(self, tp: TopicPartition, portion: Portion) -> None:
        queue, checkpoint = self._waiting[tp], self._checkpoint(tp)
        brake = self._brakes.setdefault(tp, Brake())
        while self._readable(tp):
            record, stop = queue[0], False
            while queue and not stop:
                record = queue.popleft()
                if record.offset >= checkpoint.next_offset:
                    checkpoint.next_offset = record.offset + 1
                    stop = self._take(record, portion, checkpoint, brake)
            self.appended[tp] = from_millis(record.timestamp)
            self._import_progress[tp[1]] = monotonic()

    def _take(self, record: Record, portion: Portion, checkpoint: Checkpoint, brake: Brake) -> bool:
        """Put one record where it belongs; True if it may change what is readable."""
        topic, partition, offset, value = (
            record.topic,
            record.partition,
            record.offset,
            record.value,
        )
        try:
            event = envelope.decode(value)
            subject = event.subject
            if event.type in CONTROL:
                self._control(event, portion, checkpoint, from_millis(record.timestamp))
                return True
            if not subject or partition_of(subject, self._partitions) != partition:
                raise Poison(
                    "wrong_partition", f"{event.type} of another partition's customer, or of none"
                )
            content = self._service_read(topic, event)
        except Poison as poison:
            portion.dead.append(
                DeadLetter(
                    topic,
                    partition,
                    offset,
                    None,
                    poison.reason,
                    poison.detail,
                    value or b"",
                    portion.clock,
                )
            )
            checkpoint.braked = brake.bad()
            return checkpoint.braked is not None
        if content is not None:
            portion.events.append(Incoming(topic, partition, offset, value, event, content))
        brake.good()
        return False

    def _control(
        self, event: Envelope, portion: Portion, checkpoint: Checkpoint, appended: datetime
    ) -> None:
        claim = self.claims[portion.partition]
        if event.type == CLOCK_TICKED:
            checkpoint.ticked = max(event.time, checkpoint.ticked or event.time)
        elif event.type == IMPORT_STARTED and not claim.import_open:
            # In wall time the clock may lag far behind the log; an import begins when its sender says so.
            claim.import_began = claim.clock if self._tick_topics else max(claim.clock, appended)
            claim.import_open = True
        elif event.type == IMPORT_FINISHED:
            claim.import_open = False
        portion.import_began, portion.import_open = claim.import_began, claim.import_open

    def _note_advance(self, batch: Batch, tp: TopicPartition, expected: int) -> None:
        checkpoint = self._checkpoint(tp)
        if checkpoint.next_offset != expected:
            batch.portions[tp[1]].advances.append(
                Advance(*tp, expected, checkpoint.next_offset, checkpoint.ticked, checkpoint.braked)
            )
