"""A marker of a transaction at the end of a log is no record: it holds nothing up."""

from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from shared.clock import ClockMode, now
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream import survey, watchdog
from shared.stream.lag import log_spans
from shared.stream.session import Session
from tests.support.builders import encode, order
from tests.support.fresh_servers import eventually
from tests.support.lifecycle_worker import on, orders_of, worker
from tests.support.pipeline import publish, rows, settled
from tests.support.server_stack import Stack
from tests.support.service_workers import WORKERS, running_worker

HERE = 3
ADA = on(HERE, "ada")


async def publish_in_transaction(stack: Stack, *events: dict[str, Any]) -> None:
    """Publish events on a partition as one transaction; returns once its marker is there, too."""
    end = await end_of_log(stack) + len(events) + 1
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap, transactional_id="tests")
    await producer.start()
    try:
        async with producer.transaction():
            for each in events:
                await producer.send_and_wait(CUSTOMER_EVENTS, encode(each), partition=HERE)
    finally:
        await producer.stop()

    async def is_complete() -> bool:
        return await end_of_log(stack) == end

    await eventually(is_complete, what="the marker is written")


async def end_of_log(stack: Stack) -> int:
    return (await log_spans(stack.bootstrap, [CUSTOMER_EVENTS]))[CUSTOMER_EVENTS, HERE][1]


@pytest.mark.parametrize("service", WORKERS)
async def test_a_marker_at_the_end_of_a_log_is_lag_for_nobody(
    service: str, stack: Stack, blank: str
) -> None:
    await publish_in_transaction(stack, order(ADA, 0))
    async with running_worker(service, stack, blank):
        await settled(stack, blank, service)
        await publish_in_transaction(stack, order(ADA, 1))
        await publish(stack.bootstrap, [order(ADA, 2)])
        await settled(stack, blank, service)
    async with running_worker(service, stack, blank):
        await settled(stack, blank, service)
    stopped = await rows(
        blank, "SELECT stopped FROM checkpoint WHERE stopped IS NOT NULL", schema=service
    )
    assert not stopped, "the last record is known again behind which the marker lies"
    if service == "lifecycle":
        assert await orders_of(blank, ADA) == 3


async def test_behind_a_marker_the_wall_clock_goes_on_and_the_watchdog_rests(
    stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "STALLED_S", 1.0)
    monkeypatch.setattr(survey, "SURVEY_S", 0.2)
    await publish_in_transaction(stack, order(ADA, now()))
    published_at = now()
    sessions: list[Session] = []

    async def goes_on() -> bool:
        (row,) = await rows(
            blank, "SELECT max(clock) AS at FROM lifecycle.owner WHERE partition = $1", HERE
        )
        return row["at"] is not None and row["at"] > published_at + timedelta(seconds=3)

    async with worker(stack, blank, clock=ClockMode.WALL, watch=sessions.append):
        await eventually(goes_on, what="the clock of the partition goes on")
    assert len(sessions) == 1
