"""Reading one record: into the events of a portion, to the clocks, or to the dead letters."""

from collections import deque
from contextlib import suppress
from typing import Final, Protocol

from shared.clock import from_millis
from shared.errors import Poison
from shared.events import envelope
from shared.events.envelope import CONTROL, Envelope
from shared.ids import partition_of
from shared.kafka.producer import MAX_EVENT
from shared.stream.batch import DeadLetter, Incoming, Portion, Read
from shared.stream.log.dead_letters import Brake
from shared.stream.log.last_record import KeyedRecord
from shared.stream.log.ownership import Checkpoint
from shared.stream.log.partition_clocks import PartitionClocks

TOO_LARGE: Final = f"more than {MAX_EVENT} bytes: the dead letter has the first of them"
WRONG_PARTITION: Final = "{} of another partition's customer, or of none"


class Record(KeyedRecord, Protocol):
    """What is needed of a record of aiokafka's."""

    topic: str
    partition: int


class RecordReader:
    """Decodes records with a service's `read`."""

    def __init__(self, clocks: PartitionClocks, *, partitions: int, read: Read) -> None:
        self._clocks = clocks
        self._partitions = partitions
        self._read = read

    def read_until_stop(
        self, queue: deque[Record], portion: Portion, checkpoint: Checkpoint, brake: Brake
    ) -> Record:
        """Read waiting records until one may hold the others back; returns the last one read.

        Records below the checkpoint are skipped.
        """
        while True:
            record = queue.popleft()
            stop = False
            if record.offset >= checkpoint.next_offset:
                checkpoint.next_offset = record.offset + 1
                stop = self._take(record, portion, checkpoint, brake)
            if stop or not queue:
                return record

    def _take(self, record: Record, portion: Portion, checkpoint: Checkpoint, brake: Brake) -> bool:
        """Put one record where it belongs; returns True if it may hold others back."""
        topic = record.topic
        partition = record.partition
        value = record.value
        event: Envelope | None = None
        try:
            if len(value or b"") > MAX_EVENT:
                raise Poison("too_large", TOO_LARGE)
            event = envelope.decode(value)
            subject = event.subject
            if event.type in CONTROL:
                appended_at = from_millis(record.timestamp)
                self._clocks.apply_control(event, portion, checkpoint, appended_at)
                return True
            if not subject or partition_of(subject, self._partitions) != partition:
                raise Poison("wrong_partition", WRONG_PARTITION.format(event.type))
            content = self._read(topic, event)
        except Poison as poison:
            portion.dead.append(_dead_letter(record, event, poison, portion))
            checkpoint.stopped = brake.bad()
            return checkpoint.stopped is not None
        if content is not None:
            portion.events.append(Incoming(topic, partition, record.offset, value, event, content))
        brake.good()
        return False


def _dead_letter(
    record: Record, event: Envelope | None, poison: Poison, portion: Portion
) -> DeadLetter:
    """If nothing but its time cannot be read, whose event it is stays known."""
    subject = event.subject if event else ""
    if event is None and poison.reason == "undecodable":
        with suppress(Poison):
            subject = envelope.decode_at(record.value, portion.clock).subject
    return DeadLetter(
        record.topic,
        record.partition,
        record.offset,
        None,
        subject or None,
        event.time if event else None,
        poison.reason,
        poison.detail,
        (record.value or b"")[:MAX_EVENT],
        portion.clock,
    )
