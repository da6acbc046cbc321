"""The batch loop: fetch, fold, commit in one transaction, relay; a session lasts until it fails."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.clock import monotonic
from shared.database import connection as db
from shared.errors import leaves
from shared.settings import Settings
from shared.stream.assignment import Assignment
from shared.stream.batch import Batch, BatchRefused
from shared.stream.bisection import Bisection
from shared.stream.committer import Committer
from shared.stream.connections import Connections, connect, started
from shared.stream.fetcher import Fetcher
from shared.stream.handler import Handler, Reader, Subscription
from shared.stream.membership import Membership, Takeover
from shared.stream.outgoing.relay import Relay
from shared.stream.survey import Survey


class Session:
    """One membership in the consumer group, from the first connection to the last commit.

    `progressed` is the monotonic time at which it last got on.
    """

    def __init__(self, subscription: Subscription, settings: Settings) -> None:
        self._subscription = subscription
        self._settings = settings
        self.progressed = monotonic()

    async def run(self, new_handler: Callable[[Reader], Handler[Any]], stop: asyncio.Event) -> None:
        """Work until `stop`; raises what goes wrong (Retryable, Fenced, …), mostly in groups.

        Ends without an error once a batch is committed without those whose data was refused.
        """
        async with connect(self._subscription.service, self._settings) as connections:
            loop = self._new_loop(connections, new_handler(connections.reader))
            topics = list(self._subscription.topics)
            connections.consumer.subscribe(topics, listener=loop.membership)
            async with started(connections.consumer):
                try:
                    await loop.run(stop)
                except* BatchRefused as group:
                    await loop.without_refused(connections.writer, leaves(group)[0].batch)
                finally:
                    await loop.relay.close()

    def _new_loop(self, connections: Connections, handler: Handler[Any]) -> "BatchLoop":
        consumer = connections.consumer
        writer = connections.writer
        assignment = Assignment(self._subscription, self._settings)
        relay = Relay(
            connections.relaying,
            connections.producer,
            assignment.epochs,
            new_producer=connections.new_producer,
            archive=self._subscription.archive,
        )
        committer = Committer(assignment, handler, writer, relay)
        takeover = Takeover(consumer, writer, self._subscription.topics, self._settings)
        return BatchLoop(
            assignment=assignment,
            handler=handler,
            fetcher=Fetcher(assignment, consumer, batch_records=self._settings.batch_records),
            committer=committer,
            membership=Membership(assignment, handler, takeover, committer, relay),
            relay=relay,
            survey=Survey(
                assignment, consumer, handler, connections.reader, clock=self._settings.clock
            ),
            note_progress=self._note_progress,
        )

    def _note_progress(self) -> None:
        self.progressed = monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLoop:
    """The loop over connected parts, with the relay and the survey in the background."""

    assignment: Assignment
    handler: Handler[Any]
    fetcher: Fetcher
    committer: Committer
    membership: Membership
    relay: Relay
    survey: Survey
    note_progress: Callable[[], None]

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then publish what is left."""
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self.relay.run()),
                group.create_task(self.survey.run()),
            ]
            await self._work(group, stop)
            async with self.relay.quiet():
                for task in background:
                    task.cancel()
        await self.relay.publish()

    async def without_refused(self, writer: db.Tx, batch: Batch) -> None:
        """Commit a batch without the customers whose data is refused, once nothing else runs."""
        await Bisection(self.handler, writer, self.note_progress).commit(batch)

    async def _work(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.membership.raise_failure()
            generation = self.assignment.generation
            fetched = await self.fetcher.fetch(wait=not self.assignment.has_work)
            async with self.assignment.lock:
                self.fetcher.keep(fetched, generation)
                if self.assignment.lagging:
                    await self.fetcher.pass_markers()
                await self._step(group)
                self.fetcher.pause_crowded()
            self.note_progress()
        async with self.assignment.lock:
            await self.committer.settled()

    async def _prepare(self, batch: Batch) -> object:
        """Fold a batch; raises BatchRefused if the database refuses to read for it."""
        assignment = self.assignment
        try:
            with db.retryable_errors():
                work: object = await self.handler.prepare(batch)
                if assignment.pending_work:
                    assignment.note_pending_work(await self.handler.pending_work())
        except db.DATA_REFUSED as error:
            await self.committer.settled()
            raise BatchRefused(batch) from error
        return work

    async def _step(self, group: asyncio.TaskGroup) -> None:
        """Fold one batch while the one before is being committed, then commit it."""
        assignment = self.assignment
        batch = assignment.intake.next_batch(assignment.pending_work)
        if not batch.portions:
            return
        batch.previous_committed = self.committer.settled
        work = await self._prepare(batch)
        assignment.intake.applied(batch)
        await self.committer.settled()
        self.committer.begin(group, batch, work)
