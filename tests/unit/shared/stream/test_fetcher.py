"""How much is fetched at a time, and what becomes of it, without any server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, NoOffsetForPartitionError, OffsetOutOfRangeError
from pydantic import SecretStr

from shared.clock import CLOCK_START
from shared.errors import Retryable
from shared.settings import Settings
from shared.stream.assignment import Assignment
from shared.stream.fetcher import FIRST_RECORDS, Fetcher
from shared.stream.handler import Subscription
from shared.stream.log.ownership import Checkpoint, Claim

SETTINGS = Settings(kafka_bootstrap="-", database_url="-", api_key=SecretStr("key-of-the-tests"))


@dataclass
class Fetched:
    topic: str
    partition: int
    offset: int


class FakeConsumer:
    """Gives as many records as there are, or fails; notes where it is sent and what is paused."""

    def __init__(self, backlog: int = 0, failure: Exception | None = None) -> None:
        self.backlog = backlog
        self.failure = failure
        self.positions: dict[TopicPartition, int] = {}
        self.stopped: set[TopicPartition] = set()
        self.time_outs: list[int] = []

    async def getmany(
        self, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, Sequence[Any]]:
        self.time_outs.append(timeout_ms)
        if self.failure:
            raise self.failure
        count = min(self.backlog, max_records)
        self.backlog -= count
        return {TopicPartition("a", 0): [Fetched("a", 0, n) for n in range(count)]}

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.positions[place] = offset

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("a", 0), TopicPartition("a", 1)}

    def paused(self) -> set[TopicPartition]:
        return set(self.stopped)

    def pause(self, *places: TopicPartition) -> None:
        self.stopped |= set(places)

    def resume(self, *places: TopicPartition) -> None:
        self.stopped -= set(places)


def assignment(*partitions: int) -> Assignment:
    made = Assignment(Subscription("lifecycle", ("a",), ("a",)), SETTINGS)
    made.take_over(
        {n: Claim(n, 2, CLOCK_START, None, False, {"a": Checkpoint(7)}) for n in partitions}
    )
    return made


async def sizes(fetcher: Fetcher, fetches: int) -> list[int]:
    return [sum(map(len, await fetcher.fetch(wait=False))) for _ in range(fetches)]


def test_records_of_a_fetch_that_spanned_a_rebalance_are_fetched_again_from_the_checkpoint() -> (
    None
):
    consumer = FakeConsumer()
    owned = assignment(0)
    owned.generation = 2
    fetcher = Fetcher(owned, consumer, batch_records=10)
    fetcher.keep([[Fetched("a", 0, 7), Fetched("a", 0, 8)], [Fetched("a", 5, 3)]], generation=1)
    assert consumer.positions == {TopicPartition("a", 0): 7}
    assert not owned.intake.pending


async def test_under_backlog_each_fetch_is_twice_the_one_before_up_to_the_limit() -> None:
    fetcher = Fetcher(assignment(0), FakeConsumer(19_000), batch_records=5_000)
    assert await sizes(fetcher, 6) == [FIRST_RECORDS, 4_000, 5_000, 5_000, 3_000, 0]
    assert await sizes(Fetcher(assignment(0), FakeConsumer(9), batch_records=5), 3) == [5, 4, 0]


async def test_once_the_backlog_is_gone_fetches_are_small_again() -> None:
    consumer = FakeConsumer(7_000)
    fetcher = Fetcher(assignment(0), consumer, batch_records=16_000)
    assert await sizes(fetcher, 3) == [2_000, 4_000, 1_000]
    consumer.backlog = 9_000
    assert await sizes(fetcher, 2) == [2_000, 4_000]


@pytest.mark.parametrize("failure", [OffsetOutOfRangeError({}), KafkaConnectionError("gone")])
async def test_a_failed_fetch_begins_the_session_anew(failure: Exception) -> None:
    with pytest.raises(Retryable):
        await Fetcher(assignment(0), FakeConsumer(failure=failure), batch_records=9).fetch(
            wait=True
        )


async def test_only_a_fetch_without_other_work_waits_for_records() -> None:
    consumer = FakeConsumer()
    fetcher = Fetcher(assignment(0), consumer, batch_records=9)
    await fetcher.fetch(wait=True)
    await fetcher.fetch(wait=False)
    assert consumer.time_outs == [200, 0]


async def test_a_fetch_before_the_consumer_is_at_its_checkpoint_has_no_records() -> None:
    consumer = FakeConsumer(failure=NoOffsetForPartitionError())
    assert not await Fetcher(assignment(0), consumer, batch_records=9).fetch(wait=True)


def test_only_partitions_with_records_that_wait_are_paused_and_later_resumed() -> None:
    consumer = FakeConsumer()
    owned = assignment(0, 1)
    fetcher = Fetcher(owned, consumer, batch_records=9)
    fetcher.keep([[Fetched("a", 1, 7)]], generation=0)
    fetcher.pause_crowded()
    assert consumer.stopped == {TopicPartition("a", 1)}
    owned.let_go()
    fetcher.pause_crowded()
    assert consumer.stopped == set()
