"""What a member owns, and what it forgets when partitions are let go."""

import pytest
from aiokafka import TopicPartition
from pydantic import SecretStr

from shared.clock import CLOCK_START, ClockMode
from shared.settings import Settings
from shared.stream.assignment import Assignment
from shared.stream.handler import Subscription
from shared.stream.log.ownership import Checkpoint, Claim
from tests.support.builders import day

SUBSCRIPTION = Subscription("lifecycle", ("a", "b"), ("a",))


def assignment(clock: ClockMode = ClockMode.LOG) -> Assignment:
    settings = Settings(
        kafka_bootstrap="-",
        database_url="-",
        api_key=SecretStr("key-of-the-tests"),
        clock=clock,
        partitions=2,
    )
    return Assignment(SUBSCRIPTION, settings)


def claim(partition: int) -> Claim:
    checkpoints = {"a": Checkpoint(3), "b": Checkpoint(5)}
    return Claim(partition, 10 + partition, CLOCK_START, None, False, checkpoints)


def test_what_was_taken_over_is_owned_with_its_epochs_and_checkpoints() -> None:
    owned = assignment()
    owned.take_over({0: claim(0), 1: claim(1)})
    assert owned.epochs() == {0: 10, 1: 11}
    assert set(owned.topic_partitions()) == {TopicPartition(t, p) for t in "ab" for p in (0, 1)}
    assert owned.checkpoint(TopicPartition("b", 1)).next_offset == 5


def test_letting_go_forgets_everything_and_begins_another_generation() -> None:
    owned = assignment()
    owned.take_over({0: claim(0)})
    owned.note_pending_work([0])
    owned.committed[("a", 0)] = 4
    before = owned.generation
    owned.let_go()
    assert owned.generation == before + 1
    assert (owned.claims, owned.committed, list(owned.pending_work)) == ({}, {}, [])
    assert owned.topic_partitions() == []


def test_of_pending_work_only_the_partitions_owned_count() -> None:
    owned = assignment()
    owned.take_over({0: claim(0)})
    owned.note_pending_work([1, 2])
    assert not owned.has_work
    owned.note_pending_work([0, 1])
    assert owned.has_work
    assert set(owned.pending_work) == {0}


@pytest.mark.parametrize(("clock", "moves"), [(ClockMode.WALL, True), (ClockMode.LOG, False)])
def test_only_in_wall_time_a_clock_can_be_set(clock: ClockMode, moves: bool) -> None:
    owned = assignment(clock)
    owned.take_over({0: claim(0)})
    owned.intake.clocks.set_wall(0, day(1))
    assert owned.has_work is moves
