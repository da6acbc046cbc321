"""What is seen of a session once a second: lag, epochs, clocks and brakes as metrics, and whether it still moves."""

from collections.abc import Mapping
from typing import Final

from aiokafka import TopicPartition as KafkaPartition

from shared import metrics
from shared.clock import monotonic
from shared.errors import Retryable
from shared.stream.log.ownership import Claim, TopicPartition

STALLED_S: Final = 120.0


class Survey:
    """Lag by topic and partition, and the watchdog over it."""

    def __init__(self) -> None:
        self._offsets: dict[TopicPartition, int] = {}
        self._moved = monotonic()

    def watch(self, lags: Mapping[KafkaPartition, int], claims: Mapping[int, Claim]) -> None:
        """Raises Retryable when nothing has moved for two minutes while there is lag and no brake."""
        offsets = {
            (t, p): c.next_offset
            for p, claim in claims.items()
            for t, c in claim.checkpoints.items()
        }
        braked = any(c.braked for claim in claims.values() for c in claim.checkpoints.values())
        _show(lags, claims)
        if offsets != self._offsets or braked or not any(lags.values()):
            self._offsets, self._moved = offsets, monotonic()
        elif monotonic() - self._moved > STALLED_S:
            raise Retryable("positions stand still while there is lag")


def _show(lags: Mapping[KafkaPartition, int], claims: Mapping[int, Claim]) -> None:
    for gauge in (metrics.RECORDS_BEHIND, metrics.EPOCH, metrics.CLOCK, metrics.BRAKED):
        gauge.clear()  # a partition that moved on is another worker's to show
    for tp, lag in lags.items():
        metrics.RECORDS_BEHIND.labels(tp.topic, str(tp.partition)).set(lag)
    for partition, claim in claims.items():
        metrics.EPOCH.labels(str(partition)).set(claim.epoch)
        metrics.CLOCK.labels(str(partition)).set(claim.clock.timestamp())
        for topic, checkpoint in claim.checkpoints.items():
            metrics.BRAKED.labels(topic, str(partition)).set(checkpoint.braked is not None)
