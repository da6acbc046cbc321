"""To where the wall clock of a partition may move."""

from datetime import datetime
from typing import Any

import pytest
from aiokafka import TopicPartition
from pydantic import SecretStr

from shared.clock import CLOCK_START, ClockMode
from shared.settings import Settings
from shared.stream.assignment import Assignment
from shared.stream.handler import Subscription
from shared.stream.log.ownership import Checkpoint, Claim
from shared.stream.survey import Survey
from tests.support.builders import day

SETTINGS = Settings(
    kafka_bootstrap="-",
    database_url="-",
    api_key=SecretStr("key-of-the-tests"),
    clock=ClockMode.WALL,
)
NOBODY: Any = None
ASKED = day(9)


def owned(*partitions: int) -> Assignment:
    made = Assignment(Subscription("lifecycle", ("a", "b"), ("a",)), SETTINGS)
    checkpoints = {"a": Checkpoint(0), "b": Checkpoint(0)}
    made.take_over({p: Claim(p, 1, CLOCK_START, None, False, checkpoints) for p in partitions})
    return made


def tick_of(assignment: Assignment, partition: int) -> datetime | None:
    return assignment.intake.clocks.next_tick(assignment.claims[partition])


@pytest.mark.parametrize(
    ("lags", "appended", "tick"),
    [
        ({}, {}, ASKED),
        ({"a": 0, "b": 0}, {"a": day(1)}, ASKED),
        ({"a": 3, "b": 0}, {"a": day(1)}, day(1)),
        ({"a": 3, "b": 2}, {"a": day(4), "b": day(2)}, day(2)),
        ({"a": 3, "b": 2}, {"a": day(4)}, None),
        ({"a": 3}, {"a": day(10)}, ASKED),
    ],
    ids=[
        "no topics",
        "no lag",
        "lag on one topic",
        "the least of both",
        "nothing read yet",
        "never ahead of the question",
    ],
)
def test_a_clock_follows_real_time_without_lag_and_else_what_was_read(
    lags: dict[str, int], appended: dict[str, datetime], tick: datetime | None
) -> None:
    assignment = owned(0)
    for topic, at in appended.items():
        assignment.intake.appended[topic, 0] = at
    survey = Survey(assignment, NOBODY, NOBODY, NOBODY, clock=ClockMode.WALL)
    survey._set_wall_clocks(ASKED, {TopicPartition(topic, 0): lag for topic, lag in lags.items()})
    assert tick_of(assignment, 0) == tick


def test_the_lag_of_one_partition_holds_no_other_back() -> None:
    assignment = owned(0, 1)
    survey = Survey(assignment, NOBODY, NOBODY, NOBODY, clock=ClockMode.WALL)
    survey._set_wall_clocks(ASKED, {TopicPartition("a", 0): 5, TopicPartition("a", 1): 0})
    assert (tick_of(assignment, 0), tick_of(assignment, 1)) == (None, ASKED)
