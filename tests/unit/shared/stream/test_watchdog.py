"""A session that stands still while there is lag is ended, and no other."""

from datetime import UTC, datetime

import pytest
from aiokafka import TopicPartition

from shared import metrics
from shared.errors import Retryable
from shared.stream.log.ownership import Checkpoint, Claim
from shared.stream.watchdog import STALLED_S, Watchdog, publish_metrics

PLACE = TopicPartition("a", 0)


class Clock:
    """Seconds that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        monkeypatch.setattr("shared.stream.watchdog.monotonic", lambda: self.seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def claims(next_offset: int = 0, stopped: str | None = None) -> dict[int, Claim]:
    opened = datetime(2024, 1, 1, tzinfo=UTC)
    checkpoint = Checkpoint(next_offset, None, stopped)
    return {0: Claim(0, 4, opened, None, False, {"a": checkpoint})}


OTHER = TopicPartition("a", 1)


def test_a_position_that_stands_still_while_there_is_lag_ends_the_session(clock: Clock) -> None:
    watchdog = Watchdog()
    watchdog.check({PLACE: 5})
    clock.seconds = STALLED_S
    watchdog.check({PLACE: 5})
    clock.seconds = STALLED_S + 1
    with pytest.raises(Retryable, match="a 0 stands still"):
        watchdog.check({PLACE: 5})


@pytest.mark.parametrize(
    "between", [{PLACE: 6}, {}], ids=["it moves", "there is no lag, or it is held"]
)
def test_the_time_starts_anew_when_standing_still_is_in_order(
    clock: Clock, between: dict[TopicPartition, int]
) -> None:
    watchdog = Watchdog()
    watchdog.check({PLACE: 5})
    clock.seconds = STALLED_S + 1
    watchdog.check(between)
    clock.seconds += STALLED_S
    watchdog.check({PLACE: 6})


def test_a_partition_that_moves_hides_none_that_stands_still(clock: Clock) -> None:
    watchdog = Watchdog()
    for seconds in range(int(STALLED_S) + 1):
        clock.seconds = seconds
        watchdog.check({PLACE: seconds, OTHER: 5})
    clock.seconds = STALLED_S + 1
    with pytest.raises(Retryable, match="a 1 stands still"):
        watchdog.check({PLACE: 1000, OTHER: 5})


def test_metrics_show_the_partitions_owned_and_forget_the_others() -> None:
    publish_metrics({PLACE: 5}, claims(stopped="too many"))
    assert metrics.RECORDS_BEHIND.labels("a", "0")._value.get() == 5
    assert metrics.EPOCH.labels("0")._value.get() == 4
    assert metrics.STOPPED.labels("a", "0")._value.get() == 1
    publish_metrics({}, {})
    for gauge in (metrics.RECORDS_BEHIND, metrics.EPOCH, metrics.STOPPED, metrics.CLOCK):
        assert not [sample for family in gauge.collect() for sample in family.samples]
