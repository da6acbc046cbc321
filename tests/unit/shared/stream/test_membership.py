"""What a member of the consumer group takes over, lets go and refuses, without any server."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pydantic import SecretStr

from shared.clock import CLOCK_START
from shared.errors import Fenced, Misconfigured, Retryable
from shared.settings import Settings
from shared.stream.assignment import Assignment
from shared.stream.handler import Subscription
from shared.stream.log.ownership import Claim
from shared.stream.membership import Membership, co_partitioned


@pytest.mark.parametrize(
    "assigned",
    [
        [TopicPartition("a", 0)],
        [TopicPartition("a", 0), TopicPartition("b", 1)],
        [TopicPartition("a", 0), TopicPartition("b", 0), TopicPartition("a", 1)],
        [
            TopicPartition("a", 0),
            TopicPartition("a", 1),
            TopicPartition("b", 0),
            TopicPartition("b", 2),
        ],
    ],
)
def test_an_assignment_that_is_not_co_partitioned_is_refused(
    assigned: list[TopicPartition],
) -> None:
    with pytest.raises(Misconfigured, match="not co-partitioned"):
        co_partitioned(assigned, ("a", "b"))


def test_the_numbers_of_a_co_partitioned_assignment_are_returned() -> None:
    assigned = [TopicPartition(topic, number) for topic in "ab" for number in (3, 5)]
    assert co_partitioned(assigned, ("a", "b")) == {3, 5}
    assert co_partitioned([], ("a", "b")) == set()


class Everything:
    """Stands for the parts that a membership works with, and notes the order of its calls."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.calls = list[str]()
        self._failure = failure

    @asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        self.calls.append("quiet")
        yield

    def forget(self) -> None:
        self.calls.append("forget")

    async def settled(self) -> None:
        self.calls.append("settled")
        if self._failure:
            raise self._failure

    async def claim(self, assigned: Collection[TopicPartition]) -> dict[int, Claim]:
        self.calls.append("claim")
        if self._failure:
            raise self._failure
        return {
            tp.partition: Claim(tp.partition, 1, CLOCK_START, None, False, {}) for tp in assigned
        }


def membership(parts: Any) -> tuple[Membership, Assignment]:
    settings = Settings(
        kafka_bootstrap="-", database_url="-", api_key=SecretStr("key-of-the-tests")
    )
    assignment = Assignment(Subscription("lifecycle", ("a",), ("a",)), settings)
    return Membership(assignment, parts, parts, parts, parts), assignment


async def test_what_is_assigned_is_owned_once_everything_else_was_let_go() -> None:
    parts = Everything()
    member, assignment = membership(parts)
    await member.on_partitions_assigned([TopicPartition("a", 3)])
    assert parts.calls == ["forget", "claim"]
    assert assignment.epochs() == {3: 1}
    await member.on_partitions_revoked([TopicPartition("a", 3)])
    assert parts.calls == ["forget", "claim", "settled", "quiet", "forget"]
    assert (assignment.epochs(), assignment.generation) == ({}, 2)
    member.raise_failure()


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(KafkaError("gone"), Retryable), (Misconfigured("no"), Misconfigured)],
)
async def test_a_failed_take_over_is_raised_in_the_loop_and_owns_nothing(
    failure: Exception, expected: type[Exception]
) -> None:
    member, assignment = membership(Everything(failure))
    await member.on_partitions_assigned([TopicPartition("a", 3)])
    assert assignment.epochs() == {}
    with pytest.raises(expected):
        member.raise_failure()


async def test_a_commit_that_fails_while_partitions_are_revoked_is_raised_in_the_loop() -> None:
    member, _ = membership(Everything(Fenced("gone")))
    await member.on_partitions_revoked([TopicPartition("a", 3)])
    with pytest.raises(Fenced):
        member.raise_failure()
