"""Whether a session still moves: its lag, epochs, clocks and stops as metrics, and a watchdog."""

from collections.abc import Mapping
from typing import Final

from aiokafka import TopicPartition as KafkaPartition

from shared import metrics
from shared.clock import monotonic
from shared.errors import Retryable
from shared.stream.log.ownership import Claim, TopicPartition

STALLED_S: Final = 120.0


class Watchdog:
    """Compares the positions of one survey with those of the one before."""

    def __init__(self) -> None:
        self._offsets: dict[TopicPartition, int] = {}
        self._moved = monotonic()

    def check(self, lags: Mapping[KafkaPartition, int], claims: Mapping[int, Claim]) -> None:
        """Raise Retryable when nothing has moved for two minutes, with lag and without a brake."""
        offsets = {
            (topic, partition): checkpoint.next_offset
            for partition, claim in claims.items()
            for topic, checkpoint in claim.checkpoints.items()
        }
        stopped = any(c.stopped for claim in claims.values() for c in claim.checkpoints.values())
        if offsets != self._offsets or stopped or not any(lags.values()):
            self._offsets = offsets
            self._moved = monotonic()
        elif monotonic() - self._moved > STALLED_S:
            raise Retryable("positions stand still while there is lag")


def publish_metrics(lags: Mapping[KafkaPartition, int], claims: Mapping[int, Claim]) -> None:
    """Set the gauges of the partitions owned, and clear those of all others."""
    for gauge in (metrics.RECORDS_BEHIND, metrics.EPOCH, metrics.CLOCK, metrics.STOPPED):
        gauge.clear()  # a partition that moved on is another worker's to show
    for tp, lag in lags.items():
        metrics.RECORDS_BEHIND.labels(tp.topic, str(tp.partition)).set(lag)
    for partition, claim in claims.items():
        metrics.EPOCH.labels(str(partition)).set(claim.epoch)
        metrics.CLOCK.labels(str(partition)).set(claim.clock.timestamp())
        for topic, checkpoint in claim.checkpoints.items():
            metrics.STOPPED.labels(topic, str(partition)).set(checkpoint.stopped is not None)
