"""What this member of the consumer group owns now, shared by the parts of a session."""

import asyncio
from collections.abc import Collection

from aiokafka import TopicPartition as KafkaPartition

from shared.clock import ClockMode
from shared.settings import Settings
from shared.stream.handler import Subscription
from shared.stream.log.intake import Intake
from shared.stream.log.ownership import Checkpoint, Claim, TopicPartition


class Assignment:
    """The partitions owned, the records fetched for them, and the work they have besides.

    Hold `lock` to change it, or to rely on it across an `await`. `generation` grows whenever
    partitions are let go: what was fetched under an earlier one must not be used.
    """

    def __init__(self, subscription: Subscription, settings: Settings) -> None:
        self._subscription = subscription
        self._settings = settings
        self.lock = asyncio.Lock()
        self.generation = 0
        self.claims: dict[int, Claim] = {}
        self.intake = self._new_intake()
        self.pending_work: Collection[int] = ()
        self.lagging: Collection[KafkaPartition] = ()
        """Where the log went on behind the checkpoint when it was last asked for its end."""
        self.committed: dict[TopicPartition, int] = {}
        """Offsets committed in the database that Kafka has no copy of yet."""

    def take_over(self, claims: dict[int, Claim]) -> None:
        """Own these partitions, with nothing fetched for them yet."""
        self.claims = claims
        self.intake = self._new_intake()

    def let_go(self) -> None:
        """Own nothing, and make whatever is being fetched unusable."""
        self.generation += 1
        self.pending_work = ()
        self.lagging = ()
        self.committed = {}
        self.take_over({})

    def note_pending_work(self, partitions: Collection[int]) -> None:
        """Keep those of the partitions that are owned: the handler may know of others."""
        self.pending_work = self.claims.keys() & set(partitions)

    @property
    def has_work(self) -> bool:
        """Is there anything to do without fetching more?"""
        return bool(self.intake.pending or self.pending_work)

    def epochs(self) -> dict[int, int]:
        """The epoch under which each partition is owned."""
        return {partition: claim.epoch for partition, claim in self.claims.items()}

    def topic_partitions(self) -> list[KafkaPartition]:
        """Every topic's partition that is owned."""
        return [
            KafkaPartition(topic, partition)
            for partition, claim in self.claims.items()
            for topic in claim.checkpoints
        ]

    def checkpoint(self, tp: KafkaPartition) -> Checkpoint:
        """How far a topic's partition that is owned has been applied."""
        return self.claims[tp.partition].checkpoints[tp.topic]

    def _new_intake(self) -> Intake:
        log_time = self._settings.clock is ClockMode.LOG
        return Intake(
            self.claims,
            partitions=self._settings.partitions,
            tick_topics=self._subscription.tick_topics if log_time else None,
            read=self._subscription.read,
        )
