"""What a session does once a second: lag, wall clock, epochs, watchdog, Kafka's copy of offsets."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from shared.clock import ClockMode, now
from shared.database import connection as db
from shared.error_texts import describe
from shared.stream.assignment import Assignment
from shared.stream.handler import Handler, Reader
from shared.stream.log import ownership
from shared.stream.watchdog import Watchdog, publish_metrics

log = structlog.get_logger()

SURVEY_S: Final = 1.0


class Survey:
    """Looks at the partitions owned from time to time, never in the middle of a take-over."""

    def __init__(
        self,
        assignment: Assignment,
        consumer: AIOKafkaConsumer,
        handler: Handler[Any],
        reader: Reader,
        *,
        clock: ClockMode,
    ) -> None:
        self._assignment = assignment
        self._consumer = consumer
        self._handler = handler
        self._reader = reader
        self._clock = clock
        self._watchdog = Watchdog()

    async def run(self) -> None:
        """Survey once a second until cancelled.

        Raises Retryable if the session does not get on, and Fenced if a partition is not ours any
        more: an operator who moves or resumes one fences it off, too.
        """
        while True:
            await asyncio.sleep(SURVEY_S)
            try:
                await self._survey()
            except KafkaError as error:
                log.warning("survey.failed", error=describe(error))

    async def _survey(self) -> None:
        # During a take-over its partitions would seem to have no lag.
        async with self._assignment.lock:
            generation = self._assignment.generation
            asked_at = now()
            owned = self._assignment.topic_partitions()
        ends = await self._consumer.end_offsets(owned) if owned else {}
        async with self._assignment.lock:
            if generation != self._assignment.generation:
                return
            await self._evaluate(asked_at, ends)
        await self._copy_offsets()

    async def _evaluate(self, asked_at: datetime, ends: Mapping[KafkaPartition, int]) -> None:
        assignment = self._assignment
        lags = {tp: end - assignment.checkpoint(tp).next_offset for tp, end in ends.items()}
        if self._clock is ClockMode.WALL:
            self._set_wall_clocks(asked_at, lags)
        assignment.intake.clocks.end_idle_imports()
        with db.retryable_errors():
            await ownership.check(self._reader, assignment.epochs())
            assignment.note_pending_work(await self._handler.pending_work())
        publish_metrics(lags, assignment.claims)
        assignment.lagging = [tp for tp, lag in lags.items() if lag > 0]
        self._watchdog.check(self._unheld_positions())

    def _set_wall_clocks(self, asked_at: datetime, lags: Mapping[KafkaPartition, int]) -> None:
        """Set clocks to real time where there is no lag, elsewhere to the last append time read.

        What has stopped lags behind, even behind a log that is shorter than before.
        """
        intake = self._assignment.intake
        for partition in self._assignment.claims:
            behind = [
                (tp.topic, partition)
                for tp, lag in lags.items()
                if tp.partition == partition
                and (lag > 0 or self._assignment.checkpoint(tp).stopped is not None)
            ]
            if all(tp in intake.appended for tp in behind):
                reached = [intake.appended[tp] for tp in behind]
                intake.clocks.set_wall(partition, min([asked_at, *reached]))

    def _unheld_positions(self) -> dict[KafkaPartition, int]:
        """The checkpoints of what lags behind, unless it waits for a tick or has stopped."""
        assignment = self._assignment
        return {
            tp: assignment.checkpoint(tp).next_offset
            for tp in assignment.lagging
            if not assignment.intake.is_held((tp.topic, tp.partition))
        }

    async def _copy_offsets(self) -> None:
        """Commit to Kafka what is committed in the database: a copy for tools that show lag."""
        offsets = self._assignment.committed
        self._assignment.committed = {}
        if not offsets:
            return
        copy = {
            KafkaPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()
        }
        try:
            await self._consumer.commit(copy)
        except KafkaError as error:
            log.info("offsets.not_copied", error=describe(error))
