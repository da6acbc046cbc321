"""Lag: how far each service's checkpoints are behind the log, and whether all are at rest."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition

from shared.errors import Retryable
from shared.kafka.topics import CUSTOMER_EVENTS, partitions_of
from shared.processes import CONSUMERS
from shared.stream.log.ownership import TopicPartition

LogSpans = Mapping[TopicPartition, tuple[int, int]]
"""The first offset and the end offset of each topic's partition."""

PAUSE_S: Final = 0.25
"""Between two looks: counting what a backlog has left to publish takes time from its workers."""
_CHECKPOINTS: Final = "SELECT topic, partition, next_offset, stopped FROM checkpoint"
_UNAPPLIED_TICKS: Final = """
SELECT count(*) FROM owner JOIN checkpoint USING (partition)
WHERE clock_mode = 'log' AND ticked > clock
"""
_UNPUBLISHED: Final = "SELECT count(*) FROM outbox"


@dataclass(frozen=True, slots=True)
class ServiceLag:
    """How far one service is behind.

    `behind` counts the records and ticks not yet applied, `unpublished` the records not yet
    published; `stopped` has the reason for each topic's partition that has stopped.
    """

    behind: int
    unpublished: int
    stopped: Mapping[str, str]

    @property
    def is_settled(self) -> bool:
        return self.behind == 0 and self.unpublished == 0


@dataclass(frozen=True, slots=True)
class _Progress:
    """What a service's tables say of its progress."""

    next_offsets: Mapping[TopicPartition, int]
    stopped: Mapping[str, str]
    unapplied_ticks: int
    unpublished: int

    def topics(self) -> set[str]:
        return {topic for topic, _ in self.next_offsets}

    def lag(self, spans: LogSpans, *, expects_worker: bool) -> ServiceLag:
        topics = self.topics()
        if expects_worker:
            topics.add(CUSTOMER_EVENTS)
        behind = [
            max(0, end - self.next_offsets.get(tp, first))
            for tp, (first, end) in spans.items()
            if tp[0] in topics
        ]
        return ServiceLag(self.unapplied_ticks + sum(behind), self.unpublished, self.stopped)


async def service_lags(
    bootstrap: str, database_url: str, *, workers: Collection[str] = ()
) -> dict[str, ServiceLag]:
    """Return the lag of each service that has a schema.

    A service named in `workers` counts as behind with all of customer-events until its worker has
    checkpoints.
    """
    by_service = await _read_progress(database_url)
    topics = {CUSTOMER_EVENTS}.union(*(progress.topics() for progress in by_service.values()))
    spans = await log_spans(bootstrap, topics)
    return {
        service: progress.lag(spans, expects_worker=service in workers)
        for service, progress in by_service.items()
    }


async def is_settled(bootstrap: str, database_url: str, *, workers: Collection[str] = ()) -> bool:
    """Has every service with a schema applied the whole log and published its whole outbox?

    One yes may fall between two services, when one has published and the other has not read yet:
    only two in a row mean that all are at rest.
    """
    lags = await service_lags(bootstrap, database_url, workers=workers)
    return all(lag.is_settled for lag in lags.values())


async def wait_until_settled(
    bootstrap: str,
    database_url: str,
    *,
    workers: Collection[str] = (),
    watch: Callable[[Mapping[str, ServiceLag]], None] = lambda _: None,
) -> None:
    """Return once all are at rest twice in a row. Raises Retryable if a partition has stopped."""
    times_settled = 0
    while True:
        lags = await service_lags(bootstrap, database_url, workers=workers)
        watch(lags)
        _refuse_stops(lags)
        times_settled = times_settled + 1 if all(s.is_settled for s in lags.values()) else 0
        if times_settled == 2:
            return
        await asyncio.sleep(PAUSE_S)


def _refuse_stops(lags: Mapping[str, ServiceLag]) -> None:
    stopped = [
        f"{service} {place}: {reason}"
        for service, lag in lags.items()
        for place, reason in lag.stopped.items()
    ]
    if stopped:
        raise Retryable("stopped: " + "; ".join(stopped))


async def _read_progress(database_url: str) -> dict[str, _Progress]:
    """Read the progress of each service that has a schema."""
    connection = await asyncpg.connect(database_url)
    try:
        by_service = {service: await _progress_of(connection, service) for service in CONSUMERS}
    finally:
        await connection.close()
    return {service: progress for service, progress in by_service.items() if progress is not None}


async def _progress_of(
    connection: "asyncpg.Connection[asyncpg.Record]", service: str
) -> _Progress | None:
    if await connection.fetchval("SELECT to_regclass($1)", f"{service}.checkpoint") is None:
        return None
    await connection.execute("SELECT set_config('search_path', $1, false)", service)
    # Checkpoints before the outbox: a batch that commits in between shows as unpublished rows,
    # never as rest.
    checkpoints = await connection.fetch(_CHECKPOINTS)
    unapplied_ticks = await connection.fetchval(_UNAPPLIED_TICKS)
    unpublished = await connection.fetchval(_UNPUBLISHED)
    return _Progress(
        next_offsets={(row["topic"], row["partition"]): row["next_offset"] for row in checkpoints},
        stopped={
            f"{row['topic']} {row['partition']}": row["stopped"]
            for row in checkpoints
            if row["stopped"]
        },
        unapplied_ticks=int(unapplied_ticks),
        unpublished=int(unpublished),
    )


async def log_spans(bootstrap: str, topics: Collection[str]) -> LogSpans:
    """Return the first and the end offset of every partition of the topics that exist."""
    places = [
        KafkaPartition(topic, partition)
        for topic, count in (await partitions_of(bootstrap, topics)).items()
        for partition in range(count)
    ]
    if not places:
        return {}
    # A new consumer that is asked for offsets looks the topics up one by one, and waits for
    # `retry_backoff_ms` before each.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        retry_backoff_ms=5,
    )
    await consumer.start()
    try:
        first, end = await asyncio.gather(
            consumer.beginning_offsets(places), consumer.end_offsets(places)
        )
    finally:
        await consumer.stop()
    return {(place.topic, place.partition): (first[place], end[place]) for place in places}
