"""What a member of the consumer group refuses, without any server."""

import pytest
from aiokafka import TopicPartition
from pydantic import SecretStr

from shared.consumer import Session, Subscription
from shared.errors import Misconfigured
from shared.settings import Settings


@pytest.mark.parametrize(
    "assigned",
    [
        [TopicPartition("a", 0)],
        [TopicPartition("a", 0), TopicPartition("b", 1)],
        [TopicPartition("a", 0), TopicPartition("b", 0), TopicPartition("a", 1)],
        [TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0), TopicPartition("b", 2)],
    ],
)
async def test_an_assignment_that_is_not_co_partitioned_is_refused(assigned: list[TopicPartition]) -> None:
    settings = Settings(kafka_bootstrap="-", database_url="-", api_key=SecretStr("-"))
    session = Session(Subscription("lifecycle", ("a", "b"), ("a",)), settings)
    with pytest.raises(Misconfigured, match="not co-partitioned"):
        await session._claim(assigned)
