"""Whether a session still moves: its lag, epochs, clocks and stops as metrics, and a watchdog."""

from collections.abc import Mapping
from typing import Final

from aiokafka import TopicPartition as KafkaPartition

from shared import metrics
from shared.clock import monotonic
from shared.errors import Retryable
from shared.stream.log.ownership import Claim

STALLED_S: Final = 120.0


class Watchdog:
    """Compares the positions of one survey with those of the one before, each by itself."""

    def __init__(self) -> None:
        self._since: dict[KafkaPartition, tuple[int, float]] = {}

    def check(self, positions: Mapping[KafkaPartition, int]) -> None:
        """Raise Retryable when one of the positions has stood still for two minutes.

        `positions` are those where there is lag that nothing holds back on purpose.
        """
        now = monotonic()
        since = {}
        for tp, position in positions.items():
            before, at = self._since.get(tp, (position, now))
            since[tp] = (position, at if before == position else now)
            if now - since[tp][1] > STALLED_S:
                raise Retryable(f"{tp.topic} {tp.partition} stands still while there is lag")
        self._since = since


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
