"""What a member of the consumer group refuses, without any server."""

import pytest
from aiokafka import TopicPartition

from shared.errors import Misconfigured
from shared.stream.membership import co_partitioned


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
