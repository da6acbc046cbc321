"""Fetching records from Kafka: how many at a time, and from which partitions."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError

from shared.error_texts import describe
from shared.errors import Retryable
from shared.stream.assignment import Assignment

FIRST_RECORDS: Final = 2_000
"""Most records of a batch while there is no backlog."""
WAIT_MS: Final = 200


class Fetcher:
    """Fetches for the partitions owned: under backlog twice as many records each time.

    Batches begin small, so that the first of them are soon done, and grow up to `batch_records`.
    """

    def __init__(
        self, assignment: Assignment, consumer: AIOKafkaConsumer, *, batch_records: int
    ) -> None:
        self._assignment = assignment
        self._consumer = consumer
        self._batch_records = batch_records
        self._first_records = min(FIRST_RECORDS, batch_records)
        self._max_records = self._first_records

    async def fetch(self, *, wait: bool) -> Collection[list[Any]]:
        """Return the records that are there, a list for each topic's partition; `wait` for some.

        Raises Retryable if Kafka cannot be read, or not from where we are: whoever takes the
        partition over anew sees whether its log is still the one we know.
        """
        try:
            fetched = await self._consumer.getmany(
                timeout_ms=WAIT_MS if wait else 0, max_records=self._max_records
            )
        except NoOffsetForPartitionError:
            # aiokafka looked for a committed offset just before we went to our checkpoint.
            return []
        except KafkaError as error:
            raise Retryable(f"Kafka cannot be read: {describe(error)}") from error
        self._max_records = self._next_max_records(sum(map(len, fetched.values())))
        return fetched.values()  # type: ignore[no-any-return]  # aiokafka has no types

    def _next_max_records(self, fetched: int) -> int:
        if fetched < self._max_records:
            return self._first_records
        return min(2 * self._max_records, self._batch_records)

    def keep(self, fetched: Iterable[Sequence[Any]], generation: int) -> None:
        """Hand what was fetched under a generation to the intake.

        If there was a rebalance since, go back to the checkpoints, so that it is fetched again.
        """
        for records in fetched:
            if generation == self._assignment.generation:
                self._assignment.intake.add(records)
            elif records and records[0].partition in self._assignment.claims:
                tp = KafkaPartition(records[0].topic, records[0].partition)
                self._consumer.seek(tp, self._assignment.checkpoint(tp).next_offset)

    async def pass_markers(self) -> None:
        """Move checkpoints on to where the consumer is: past markers, which are no records.

        Call it before anything else is fetched, once all that was fetched is in the intake.
        """
        lagging = self._assignment.lagging
        self._assignment.lagging = ()
        for tp in lagging:
            if tp in self._consumer.assignment():
                position = await self._consumer.position(tp)
                self._assignment.intake.pass_markers((tp.topic, tp.partition), position)

    def pause_crowded(self) -> None:
        """Fetch no more from partitions whose records wait behind a tick or a stop."""
        crowded = {KafkaPartition(*tp) for tp in self._assignment.intake.crowded}
        paused = self._consumer.paused()
        assigned = self._consumer.assignment()
        self._consumer.pause(*((crowded & assigned) - paused))
        self._consumer.resume(*((paused & assigned) - crowded))
