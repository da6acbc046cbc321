"""From Kafka's records to batches: which are applied, skipped, set aside, or wait for a tick."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from shared.clock import from_millis
from shared.stream.batch import Batch, Portion, Read
from shared.stream.log.dead_letters import Brake
from shared.stream.log.last_record import last_record
from shared.stream.log.ownership import Advance, Checkpoint, Claim, TopicPartition
from shared.stream.log.partition_clocks import PartitionClocks
from shared.stream.log.record_reader import Record, RecordReader


class Intake:
    """The records fetched but not yet applied, of the partitions owned.

    `tick_topics` are the topics whose ticks move the clock in log time (the least of them counts);
    None in wall time.
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
        self.clocks: Final = PartitionClocks(claims, tick_topics)
        self.appended: Final[dict[TopicPartition, datetime]] = {}
        """When the last record read of each topic's partition was appended to the log."""
        self._reader = RecordReader(self.clocks, partitions=partitions, read=read)
        self._waiting: dict[TopicPartition, deque[Record]] = {}
        self._brakes: dict[TopicPartition, Brake] = {}
        self._passed: list[Advance] = []

    def add(self, records: Sequence[Record]) -> None:
        """Take fetched records of one topic's partition, in order."""
        if records:
            tp = (records[0].topic, records[0].partition)
            self._waiting.setdefault(tp, deque()).extend(records)

    def pass_markers(self, tp: TopicPartition, position: int) -> None:
        """Move a checkpoint on to the consumer's position, unless records wait or it has stopped.

        If nothing waits, only markers lie between.
        """
        checkpoint = self._checkpoint(tp)
        expected = checkpoint.next_offset
        if tp not in self._waiting and checkpoint.stopped is None and position > expected:
            checkpoint.next_offset = position
            self._passed.append(Advance.of(tp, expected, checkpoint))

    def is_held(self, tp: TopicPartition) -> bool:
        """Do records wait behind a tick, or has the partition stopped?"""
        has_stopped = self._checkpoint(tp).stopped is not None
        return has_stopped or (tp in self._waiting and not self._is_readable(tp))

    @property
    def pending(self) -> bool:
        """Is there work without fetching more?"""
        return any(map(self._is_readable, self._waiting)) or self.clocks.any_tick()

    @property
    def crowded(self) -> set[TopicPartition]:
        """Topics' partitions whose records wait behind a tick or a stop: fetch no more of them."""
        return set(self._waiting)

    def next_batch(self, pending_work: Collection[int] = ()) -> Batch:
        """Return everything that may be applied now: of each partition up to the next tick.

        Partitions with `pending_work` have a portion in any case.
        """
        batch = Batch()
        for advance in self._passed:
            self._portion(batch, advance.partition).advances.append(advance)
        self._passed.clear()
        for tp in sorted(self._waiting):
            if tp[1] in self.claims:
                self._read_waiting(tp, self._portion(batch, tp[1]))
        self._waiting = {
            tp: queue for tp, queue in self._waiting.items() if queue and tp[1] in self.claims
        }
        for partition, claim in self.claims.items():
            tick = self.clocks.next_tick(claim)
            if tick is not None:
                self._portion(batch, partition).tick = tick
        batch.drop_empty_portions()
        for partition in pending_work:
            if partition in self.claims:
                self._portion(batch, partition)
        return batch

    def applied(self, batch: Batch) -> None:
        """Move the clocks to where a batch that has been folded has moved them."""
        for portion in batch.portions.values():
            self.clocks.applied(portion)

    def _portion(self, batch: Batch, partition: int) -> Portion:
        if partition not in batch.portions:
            claim = self.claims[partition]
            batch.portions[partition] = Portion(
                partition, claim.epoch, claim.clock, claim.import_began, claim.import_open
            )
        return batch.portions[partition]

    def _checkpoint(self, tp: TopicPartition) -> Checkpoint:
        return self.claims[tp[1]].checkpoints[tp[0]]

    def _is_readable(self, tp: TopicPartition) -> bool:
        """Is there a record that may be read: no tick holds it back, and nothing has stopped?"""
        topic, partition = tp
        if not self._waiting[tp] or partition not in self.claims:
            return False
        claim = self.claims[partition]
        if claim.checkpoints[topic].stopped is not None:
            return False
        return not self.clocks.is_behind_tick(topic, claim)

    def _read_waiting(self, tp: TopicPartition, portion: Portion) -> None:
        """Read until the next tick or stop, and note how far the checkpoint has come."""
        queue = self._waiting[tp]
        checkpoint = self._checkpoint(tp)
        expected = checkpoint.next_offset
        brake = self._brakes.setdefault(tp, Brake())
        while self._is_readable(tp):
            last = self._reader.read_until_stop(queue, portion, checkpoint, brake)
            self.appended[tp] = from_millis(last.timestamp)
            self.clocks.note_progress(tp[1])
        if checkpoint.next_offset != expected:
            checkpoint.last = last_record(last)
            portion.advances.append(Advance.of(tp, expected, checkpoint))
            portion.unread = len(portion.dead)
