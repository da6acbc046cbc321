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


def test_positions_that_stand_still_while_there_is_lag_end_the_session(clock: Clock) -> None:
    watchdog = Watchdog()
    watchdog.check({PLACE: 5}, claims())
    clock.seconds = STALLED_S
    watchdog.check({PLACE: 5}, claims())
    clock.seconds = STALLED_S + 1
    with pytest.raises(Retryable, match="stand still"):
        watchdog.check({PLACE: 5}, claims())


@pytest.mark.parametrize(
    ("lag", "next_offset", "stopped"),
    [(5, 1, None), (0, 0, None), (5, 0, "too many")],
    ids=["it moves", "there is no lag", "it has stopped"],
)
def test_the_time_starts_anew_when_standing_still_is_in_order(
    clock: Clock, lag: int, next_offset: int, stopped: str | None
) -> None:
    watchdog = Watchdog()
    watchdog.check({PLACE: 5}, claims())
    clock.seconds = STALLED_S + 1
    watchdog.check({PLACE: lag}, claims(next_offset, stopped))
    clock.seconds += STALLED_S
    watchdog.check({PLACE: 5}, claims(next_offset))
    clock.seconds += 1
    with pytest.raises(Retryable):
        watchdog.check({PLACE: 5}, claims(next_offset))


def test_metrics_show_the_partitions_owned_and_forget_the_others() -> None:
    publish_metrics({PLACE: 5}, claims(stopped="too many"))
    assert metrics.RECORDS_BEHIND.labels("a", "0")._value.get() == 5
    assert metrics.EPOCH.labels("0")._value.get() == 4
    assert metrics.STOPPED.labels("a", "0")._value.get() == 1
    publish_metrics({}, {})
    for gauge in (metrics.RECORDS_BEHIND, metrics.EPOCH, metrics.STOPPED, metrics.CLOCK):
        assert not [sample for family in gauge.collect() for sample in family.samples]
