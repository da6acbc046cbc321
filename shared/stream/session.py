"""The batch loop: fetch, fold, commit everything in one transaction, relay; one session lasts until something fails."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata

from shared import metrics
from shared.aio import wait
from shared.clock import ClockMode, monotonic, now
from shared.database import connection as db
from shared.errors import Fenced, Misconfigured, Retryable
from shared.events.envelope import Envelope
from shared.kafka import producer as kafka
from shared.settings import Settings
from shared.stream.batch import Batch, Read
from shared.stream.log import dead_letters, ownership
from shared.stream.log.intake import Intake
from shared.stream.log.ownership import Claim, TopicPartition
from shared.stream.outgoing.outbox import Relay
from shared.stream.watchdog import Survey

log = structlog.get_logger()

W = TypeVar("W")
Reader = Any
"""An asyncpg connection for reads outside the batch's transaction."""


class Handler(Protocol[W]):
    """A service's part of the loop. `prepare` of one batch overlaps with `apply` of the one before."""

    async def prepare(self, batch: Batch) -> W:
        """Decode, load what is missing and fold in memory; may reject records and leave ticks unfinished."""

    async def apply(self, work: W, tx: db.Tx) -> None:
        """Write rows and outgoing messages in the loop's transaction."""

    def forget(self) -> None:
        """Drop everything in memory: ownership has changed."""

    async def pending_work(self) -> Collection[int]:
        """Partitions on which there is work though nothing arrives; asked once a second, and after such work."""


def as_is(_: str, event: Envelope) -> object:
    """Every event as it is."""
    return event


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service consumes and how it reads it; in log time its clock is the least tick of `tick_topics`.

    `archive` keeps some of what the relay has published (shared/stream/outgoing/outbox.py).
    """

    service: str
    topics: tuple[str, ...]
    tick_topics: tuple[str, ...]
    read: Read = as_is
    archive: str | None = None


SURVEY_S: Final = 1.0
FIRST_RECORDS: Final = 2_000
"""Most records of a batch while there is no backlog."""
RESET_HINT: Final = "see `stammkunde checkpoints reset --help`"


class Session(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One membership in the consumer group, with its connections, its claims and the handler's memory."""

    def __init__(self, subscription: Subscription, settings: Settings) -> None:
        self._subscription = subscription
        self._settings = settings
        self._lock = asyncio.Lock()
        self._generation = 0
        self._failure: Exception | None = None
        self._claims: dict[int, Claim] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._inflight: asyncio.Task[None] | None = None
        self._intake = self._new_intake()
        self._pending_work: Collection[int] = ()
        self._most = min(FIRST_RECORDS, settings.batch_records)
        self.progressed = monotonic()

    async def run(self, new_handler: Callable[[Reader], Handler[Any]], stop: asyncio.Event) -> None:
        """Work until `stop`; raises an exception group of what went wrong (Retryable, Fenced, …)."""
        async with AsyncExitStack() as stack:
            self._writer = await self._connect(stack)
            self._handler = new_handler(await self._connect(stack))
            producer = kafka.producer(
                self._settings.kafka_bootstrap, client_id=self._subscription.service
            )
            await self._start(stack, producer)
            self._consumer = self._new_consumer()
            archive = self._subscription.archive
            self._relay = Relay(await self._connect(stack), producer, self._epochs, archive=archive)
            self._consumer.subscribe(list(self._subscription.topics), listener=self)
            await self._start(stack, self._consumer)
            async with asyncio.TaskGroup() as group:
                background = [
                    group.create_task(self._relay.run()),
                    group.create_task(self._survey_often()),
                ]
                await self._work(group, stop)
                async with self._relay.publishing:
                    for task in background:
                        task.cancel()
            await self._relay.publish()

    async def _connect(self, stack: AsyncExitStack) -> Reader:
        connection = await db.connect(self._settings.database_url, self._subscription.service)
        stack.callback(connection.terminate)
        return connection

    async def _start(
        self, stack: AsyncExitStack, client: AIOKafkaConsumer | AIOKafkaProducer
    ) -> None:
        try:
            stack.push_async_callback(client.stop)
            await client.start()
        except KafkaError as error:
            raise Retryable(f"Kafka cannot be reached: {error!r}") from error

    def _new_consumer(self) -> AIOKafkaConsumer:
        service, session_ms = (
            self._subscription.service,
            int(self._settings.session_timeout_s * 1000),
        )
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            group_id=f"stammkunde-{service}",
            group_instance_id=f"{service}-{self._settings.worker}",
            client_id=f"{service}-{self._settings.worker}",
            partition_assignment_strategy=(RangePartitionAssignor,),
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 4,
            rebalance_timeout_ms=30_000,
            max_partition_fetch_bytes=4 << 20,
            fetch_max_bytes=32 << 20,
            fetch_max_wait_ms=200,
        )

    def _new_intake(self) -> Intake:
        log_time = self._settings.clock is ClockMode.LOG
        return Intake(
            self._claims,
            partitions=self._settings.partitions,
            tick_topics=self._subscription.tick_topics if log_time else None,
            read=self._subscription.read,
        )

    def _epochs(self) -> dict[int, int]:
        return {p: claim.epoch for p, claim in self._claims.items()}

    # -- rebalancing: aiokafka swallows what these raise, so failures are kept for the loop -------------------------

    async def on_partitions_revoked(self, revoked: Collection[KafkaPartition]) -> None:
        """Drain what is in flight, then let go."""
        async with self._lock:
            try:
                await self._settled()
                async with self._relay.publishing:
                    self._let_go()
            except Exception as error:  # noqa: BLE001  (kept for the loop, which raises it)
                self._failure = error
        log.info("partitions.revoked", partitions=sorted({tp.partition for tp in revoked}))

    async def on_partitions_assigned(self, assigned: Collection[KafkaPartition]) -> None:
        """Become the owner of what was assigned and go to its checkpoints."""
        async with self._lock:
            try:
                self._let_go()
                await self._claim(assigned)
            except KafkaError as error:
                self._failure = Retryable(f"Kafka cannot be asked about the assignment: {error!r}")
            except Exception as error:  # noqa: BLE001  (kept for the loop, which raises it)
                self._failure = error

    def _let_go(self) -> None:
        self._generation += 1
        self._pending_work = ()
        self._claims = {}
        self._committed = {}
        self._intake = self._new_intake()
        self._handler.forget()

    async def _claim(self, assigned: Collection[KafkaPartition]) -> None:
        numbers = {tp.partition for tp in assigned}
        if len(assigned) != len(numbers) * len(self._subscription.topics):
            raise Misconfigured(f"assignment is not co-partitioned: {sorted(assigned)}")
        if not assigned:
            return
        first = await self._consumer.beginning_offsets(assigned)
        end = await self._consumer.end_offsets(assigned)
        async with db.transaction(self._writer) as tx:
            beginnings = {(tp.topic, tp.partition): offset for tp, offset in first.items()}
            self._claims = await ownership.take(tx, beginnings, self._settings.clock)
        for tp in assigned:
            offset = self._claims[tp.partition].checkpoints[tp.topic].next_offset
            if not first[tp] <= offset <= end[tp]:
                raise Misconfigured(
                    f"checkpoint {offset} of {tp.topic} {tp.partition} lies outside the log "
                    f"({first[tp]} … {end[tp]}); {RESET_HINT}"
                )
            self._consumer.seek(tp, offset)
        self._intake = self._new_intake()
        log.info(
            "partitions.assigned",
            partitions=sorted(numbers),
            epochs=sorted(set(self._epochs().values())),
        )

    # -- the loop ----------------------------------------------------------------------------------------------------

    async def _work(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._failure:
                raise self._failure
            generation = self._generation
            fetched = await self._fetch(wait=not (self._intake.pending or self._pending_work))
            async with self._lock:
                self._take_in(fetched, generation)
                await self._step(group)
                self._hold_back()
            self.progressed = monotonic()
        async with self._lock:
            await self._settled()

    def _take_in(self, fetched: Iterable[Sequence[Any]], generation: int) -> None:
        """Keep what was fetched; if the fetch spanned a rebalance, go back to the checkpoints and fetch it again."""
        for records in fetched:
            if generation == self._generation:
                self._intake.add(records)
            elif records and records[0].partition in self._claims:
                topic, partition = records[0].topic, records[0].partition
                offset = self._claims[partition].checkpoints[topic].next_offset
                self._consumer.seek(KafkaPartition(topic, partition), offset)

    async def _fetch(self, *, wait: bool) -> Collection[list[Any]]:
        """What is there; while ticks hold some partitions' records back, the others' still come."""
        try:
            fetched = await self._consumer.getmany(
                timeout_ms=200 if wait else 0, max_records=self._most
            )
        except NoOffsetForPartitionError:
            return []  # aiokafka looked for a committed offset just before we went to our checkpoint
        except OffsetOutOfRangeError as error:
            raise Misconfigured(
                f"a checkpoint lies outside the log: {error}; {RESET_HINT}"
            ) from error
        except KafkaError as error:
            raise Retryable(f"Kafka cannot be read: {error!r}") from error
        self._most = self._next_most(sum(map(len, fetched.values())))
        return fetched.values()  # type: ignore[no-any-return]  # aiokafka has no types

    def _next_most(self, fetched: int) -> int:
        """How many records to fetch next: under backlog twice as many each time, so that the first are soon done."""
        if fetched < self._most:
            return min(FIRST_RECORDS, self._settings.batch_records)
        return min(2 * self._most, self._settings.batch_records)

    async def _step(self, group: asyncio.TaskGroup) -> None:
        """Fold one batch while the one before is being committed, then commit it."""
        batch = self._intake.next_batch(self._pending_work)
        if not batch.portions:
            return
        batch.settled = self._settled
        with db.sorting_errors():
            work = await self._handler.prepare(batch)
            if self._pending_work:
                await self._ask_for_pending_work()
        self._intake.applied(batch)
        await self._settled()
        self._inflight = group.create_task(self._commit(batch, work))

    async def _ask_for_pending_work(self) -> None:
        """Those of our partitions: the handler may know of others."""
        self._pending_work = self._claims.keys() & set(await self._handler.pending_work())

    async def _settled(self) -> None:
        """Wait until nothing is being committed; raises what the commit raised."""
        if self._inflight:
            await asyncio.wait([self._inflight])
            if not self._inflight.cancelled():
                self._inflight.result()

    async def _commit(self, batch: Batch, work: object) -> None:
        started = monotonic()
        portions = batch.portions.values()
        async with db.transaction(self._writer) as tx:
            await ownership.lock(tx, batch.epochs)
            await self._handler.apply(work, tx)
            await dead_letters.add(tx, [letter for portion in portions for letter in portion.dead])
            advances = [advance for portion in portions for advance in portion.advances]
            await ownership.advance(tx, advances, [portion.clock_move() for portion in portions])
        self._relay.wake()
        self._committed.update({(a.topic, a.partition): a.next_offset for a in advances})
        records = sum(len(portion.events) for portion in portions)
        for move in advances:
            metrics.RECORDS_APPLIED.labels(move.topic).inc(move.next_offset - move.expected)
        metrics.BATCH_RECORDS.observe(records)
        metrics.BATCH_SECONDS.observe(monotonic() - started)
        log.debug("batch.applied", records=records, seconds=round(monotonic() - started, 4))

    def _hold_back(self) -> None:
        crowded = {KafkaPartition(*tp) for tp in self._intake.crowded}
        paused, assigned = self._consumer.paused(), self._consumer.assignment()
        self._consumer.pause(*((crowded & assigned) - paused))
        self._consumer.resume(*((paused & assigned) - crowded))

    # -- once a second: lag, wall clock, advisory offsets, brakes, watchdog ------------------------------------------

    async def _survey_often(self) -> None:
        survey = Survey()
        while True:
            await asyncio.sleep(SURVEY_S)
            try:
                await self._survey(survey)
            except KafkaError as error:
                log.warning("survey.failed", error=repr(error))

    async def _survey(self, survey: Survey) -> None:
        async with (
            self._lock
        ):  # never in the middle of a take-over: its partitions would seem to have no lag
            generation, asked = self._generation, now()
            tps = [
                KafkaPartition(topic, p)
                for p, claim in self._claims.items()
                for topic in claim.checkpoints
            ]
        ends = await self._consumer.end_offsets(tps) if tps else {}
        async with self._lock:
            if generation != self._generation:
                return
            lags = {
                tp: end - self._claims[tp.partition].checkpoints[tp.topic].next_offset
                for tp, end in ends.items()
            }
            if self._settings.clock is ClockMode.WALL:
                self._read_clocks(asked, lags)
            self._intake.end_idle_imports()
            with db.sorting_errors():
                await self._ask_for_pending_work()
            await self._release_brakes()
            survey.watch(lags, self._claims)
        await self._commit_to_kafka()

    def _read_clocks(self, asked: Any, lags: dict[KafkaPartition, int]) -> None:
        appended = self._intake.appended
        for partition in self._claims:
            behind = [
                (tp.topic, partition)
                for tp, lag in lags.items()
                if tp.partition == partition and lag > 0
            ]
            if all(tp in appended for tp in behind):
                self._intake.clock_reads(partition, min([asked, *(appended[tp] for tp in behind)]))

    async def _release_brakes(self) -> None:
        braked = [
            p
            for p, claim in self._claims.items()
            if any(c.braked for c in claim.checkpoints.values())
        ]
        if not braked:
            return
        await self._settled()
        async with db.transaction(self._writer) as tx:
            released = await ownership.released_brakes(tx, braked)
        for topic, partition in released:
            if self._claims[partition].checkpoints[topic].braked:
                self._intake.release((topic, partition))

    async def _commit_to_kafka(self) -> None:
        offsets, self._committed = self._committed, {}
        if offsets:
            try:
                await self._consumer.commit(
                    {KafkaPartition(*tp): OffsetAndMetadata(n, "") for tp, n in offsets.items()}
                )
            except KafkaError as error:
                log.info("offsets.not_copied", error=repr(error))


async def consume(
    subscription: Subscription,
    settings: Settings,
    new_handler: Callable[[Reader], Handler[Any]],
    stop: asyncio.Event,
    watch: Callable[[Session], None] = lambda _: None,
) -> None:
    """Hold one session after another until `stop`; between failures wait longer and longer, up to 5 s.

    A new session reads everything anew from the database: nothing of a failed batch stays in memory. Static
    membership keeps the partitions in the meantime. What is neither Retryable nor Fenced comes out.
    """
    delay = FIRST_DELAY_S
    while not stop.is_set():
        session, began = Session(subscription, settings), monotonic()
        watch(session)
        try:
            await session.run(new_handler, stop)
        except* (Retryable, Fenced) as group:
            if monotonic() - began > 30:
                delay = FIRST_DELAY_S
            reasons = [str(error) for error in leaves(group)]
            metrics.RETRIES.labels(type(leaves(group)[0]).__name__).inc()
            log.warning("session.ended", reasons=reasons, again_in_s=delay)
        if not stop.is_set():
            await wait(stop, delay)
            delay = min(delay * 2, LAST_DELAY_S)


FIRST_DELAY_S: Final = 0.2
LAST_DELAY_S: Final = 5.0


def leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    """The exceptions inside nested groups."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
