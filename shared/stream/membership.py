"""Membership in the consumer group: taking partitions over, and letting them go."""

from collections.abc import Collection, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaError

from shared.database import connection as db
from shared.error_texts import describe
from shared.errors import Misconfigured, Retryable
from shared.settings import Settings
from shared.stream.assignment import Assignment
from shared.stream.committer import Committer
from shared.stream.handler import Handler
from shared.stream.log import known_log, ownership
from shared.stream.log.ownership import Checkpoint, Claim
from shared.stream.outgoing.relay import Relay

log = structlog.get_logger()


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Follows the group's rebalances.

    aiokafka swallows what its callbacks raise: `raise_failure` raises it in the loop.
    """

    def __init__(
        self,
        assignment: Assignment,
        handler: Handler[Any],
        takeover: "Takeover",
        committer: Committer,
        relay: Relay,
    ) -> None:
        self._assignment = assignment
        self._handler = handler
        self._takeover = takeover
        self._committer = committer
        self._relay = relay
        self._failure: Exception | None = None

    def raise_failure(self) -> None:
        """Raise what went wrong in a rebalance, if anything did."""
        if self._failure:
            raise self._failure

    async def on_partitions_revoked(self, revoked: Collection[KafkaPartition]) -> None:
        """Wait until the batch and the relay's rows under way are done, then let go."""
        async with self._assignment.lock:
            try:
                await self._committer.settled()
                async with self._relay.quiet():
                    self._let_go()
            except Exception as error:  # noqa: BLE001  (kept for the loop, which raises it)
                self._failure = error
        log.info("partitions.revoked", partitions=sorted({tp.partition for tp in revoked}))

    async def on_partitions_assigned(self, assigned: Collection[KafkaPartition]) -> None:
        """Become the owner of what was assigned, and go to its checkpoints."""
        async with self._assignment.lock:
            try:
                self._let_go()
                self._assignment.take_over(await self._takeover.claim(assigned))
            except KafkaError as error:
                self._failure = Retryable(
                    f"Kafka cannot be asked about the assignment: {describe(error)}"
                )
            except Exception as error:  # noqa: BLE001  (kept for the loop, which raises it)
                self._failure = error

    def _let_go(self) -> None:
        self._assignment.let_go()
        self._handler.forget()


class Takeover:
    """Makes this worker the owner of partitions, and moves its consumer to their checkpoints."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        writer: db.Tx,
        topics: Collection[str],
        settings: Settings,
    ) -> None:
        self._consumer = consumer
        self._writer = writer
        self._topics = topics
        self._settings = settings

    async def claim(self, assigned: Collection[KafkaPartition]) -> dict[int, Claim]:
        """Own what was assigned; returns what is known of each partition.

        Stops those whose log is not the one we know. Raises Misconfigured if the topics are not
        co-partitioned, or if the data was made under the other clock mode.
        """
        numbers = co_partitioned(assigned, self._topics)
        if not assigned:
            return {}
        first = await self._consumer.beginning_offsets(assigned)
        async with db.transaction(self._writer) as tx:
            beginnings = {(tp.topic, tp.partition): offset for tp, offset in first.items()}
            claims = await ownership.take(tx, beginnings, self._settings.clock)
        checkpoints = {tp: claims[tp.partition].checkpoints[tp.topic] for tp in assigned}
        await self._stop_unknown(claims, checkpoints, first)
        self._go_to(checkpoints, first)
        epochs = sorted({claim.epoch for claim in claims.values()})
        log.info("partitions.assigned", partitions=sorted(numbers), epochs=epochs)
        return claims

    async def _stop_unknown(
        self,
        claims: Mapping[int, Claim],
        checkpoints: Mapping[KafkaPartition, Checkpoint],
        first: known_log.Offsets,
    ) -> None:
        """Stop partitions whose log is not the one we know.

        The ends are asked for once nobody else can move the checkpoints on any more.
        """
        end = await self._consumer.end_offsets(list(checkpoints))
        running = {tp: each for tp, each in checkpoints.items() if each.stopped is None}
        reasons = await known_log.reasons_to_stop(
            self._settings.kafka_bootstrap, running, first, end
        )
        if not reasons:
            return
        async with db.transaction(self._writer) as tx:
            await ownership.stop(tx, claims, reasons)
        for (topic, partition), reason in reasons.items():
            claims[partition].checkpoints[topic].stopped = reason
            log.error("partition.stopped", topic=topic, partition=partition, reason=reason)

    def _go_to(
        self, checkpoints: Mapping[KafkaPartition, Checkpoint], first: known_log.Offsets
    ) -> None:
        """Go to the checkpoints; where we have stopped, these may lie outside the log.

        What is fetched there waits, and nothing more is fetched.
        """
        for tp, checkpoint in checkpoints.items():
            self._consumer.seek(
                tp, checkpoint.next_offset if checkpoint.stopped is None else first[tp]
            )


def co_partitioned(assigned: Collection[KafkaPartition], topics: Collection[str]) -> set[int]:
    """Return the numbers assigned; raises Misconfigured unless each is assigned of every topic."""
    numbers = {tp.partition for tp in assigned}
    if len(assigned) != len(numbers) * len(topics):
        raise Misconfigured(f"assignment is not co-partitioned: {sorted(assigned)}")
    return numbers
