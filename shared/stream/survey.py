"""What a session does once a second: lag, wall clock, brakes, watchdog, Kafka's copy of offsets."""

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
from shared.stream.committer import Committer
from shared.stream.handler import Handler
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
        committer: Committer,
        *,
        clock: ClockMode,
    ) -> None:
        self._assignment = assignment
        self._consumer = consumer
        self._handler = handler
        self._committer = committer
        self._clock = clock
        self._watchdog = Watchdog()

    async def run(self) -> None:
        """Survey once a second until cancelled; raises Retryable if the session does not get on."""
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
            assignment.note_pending_work(await self._handler.pending_work())
        await self._release_brakes()
        publish_metrics(lags, assignment.claims)
        self._watchdog.check(lags, assignment.claims)

    def _set_wall_clocks(self, asked_at: datetime, lags: Mapping[KafkaPartition, int]) -> None:
        """Set clocks to real time where there is no lag, elsewhere to the last append time read."""
        intake = self._assignment.intake
        for partition in self._assignment.claims:
            behind = [
                (tp.topic, partition)
                for tp, lag in lags.items()
                if tp.partition == partition and lag > 0
            ]
            if all(tp in intake.appended for tp in behind):
                reached = [intake.appended[tp] for tp in behind]
                intake.clocks.set_wall(partition, min([asked_at, *reached]))

    async def _release_brakes(self) -> None:
        """Go on with the partitions whose brake an operator has released."""
        braked = self._assignment.braked_partitions()
        if not braked:
            return
        for tp in await self._committer.released_brakes(braked):
            if self._assignment.checkpoint(KafkaPartition(*tp)).braked:
                self._assignment.intake.release(tp)

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
