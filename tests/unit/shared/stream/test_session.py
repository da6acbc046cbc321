"""What a member of the consumer group refuses, without any server."""

from dataclasses import dataclass

import pytest
from aiokafka import TopicPartition
from pydantic import SecretStr

from shared.clock import DAWN
from shared.errors import Misconfigured
from shared.settings import Settings
from shared.stream.log.ownership import Checkpoint, Claim
from shared.stream.session import Session, Subscription

SETTINGS = Settings(kafka_bootstrap="-", database_url="-", api_key=SecretStr("-"))


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
async def test_an_assignment_that_is_not_co_partitioned_is_refused(
    assigned: list[TopicPartition],
) -> None:
    session = Session(Subscription("lifecycle", ("a", "b"), ("a",)), SETTINGS)
    with pytest.raises(Misconfigured, match="not co-partitioned"):
        await session._claim(assigned)


class Rewound:
    """A consumer that only notes where it is sent."""

    def __init__(self) -> None:
        self.positions: dict[TopicPartition, int] = {}

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.positions[place] = offset


@dataclass
class Fetched:
    topic: str
    partition: int
    offset: int


async def test_records_of_a_fetch_that_spanned_a_rebalance_are_fetched_again_from_the_checkpoint() -> (
    None
):
    session = Session(Subscription("lifecycle", ("a",), ("a",)), SETTINGS)
    consumer = Rewound()
    session._consumer = consumer
    session._claims = {0: Claim(0, 2, DAWN, None, False, {"a": Checkpoint(7)})}
    session._generation = 2
    session._take_in([[Fetched("a", 0, 7), Fetched("a", 0, 8)], [Fetched("a", 5, 3)]], generation=1)
    assert consumer.positions == {TopicPartition("a", 0): 7}
    assert not session._intake.pending
