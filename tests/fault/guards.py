"""The guards that keep every effect exactly once, removed one at a time: the checks must fail."""

from collections import Counter
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec.structs import replace

from services.lifecycle.domain.state.happenings import Happening
from shared.database import connection as db
from shared.stream.batch import Batch
from shared.stream.committer import Committer
from shared.stream.log import ownership
from shared.stream.log.record_reader import RecordReader
from shared.stream.outgoing.relay import Relay


def _without_transaction() -> None:
    """Let every statement commit by itself."""

    @asynccontextmanager
    async def no_transaction(connection: Any) -> Any:
        yield connection

    db.transaction = no_transaction


def _without_checkpoint() -> None:
    """Move checkpoints in a transaction of their own, before the work that they stand for."""
    commit = Committer._commit

    async def commit_after(self: Committer, batch: Batch, work: object) -> None:
        async with db.transaction(self._writer) as tx:
            await ownership.advance(tx, batch.advances(), [])
        for portion in batch.portions.values():
            portion.advances = []
        await commit(self, batch, work)

    Committer._commit = commit_after  # type: ignore[method-assign]


def _without_dedupe() -> None:
    """Apply every event, known or not; a repeat gets an id that no table refuses."""
    original = RecordReader._take
    taken = Counter[tuple[str, str, str]]()

    def take(self: RecordReader, record: Any, portion: Any, checkpoint: Any, brake: Any) -> bool:
        before = len(portion.events)
        stop = original(self, record, portion, checkpoint, brake)
        for n in range(before, len(portion.events)):
            incoming = portion.events[n]
            identity = incoming.event.subject, incoming.event.source, incoming.event.id
            taken[identity] += 1
            if taken[identity] > 1 and isinstance(incoming.content, Happening):
                id = f"{incoming.event.id}-{taken[identity]}"
                renamed = type(incoming.event)(
                    id=id,
                    source=incoming.event.source,
                    type=incoming.event.type,
                    subject=incoming.event.subject,
                    time=incoming.event.time,
                )
                content = replace(incoming.content, id=id)
                portion.events[n] = replace(incoming, event=renamed, content=content)
        return stop

    RecordReader._take = take  # type: ignore[method-assign]


def _without_outbox() -> None:
    """Let the relay delete before Kafka has acknowledged."""
    begin = Relay._begin
    delete = Relay._delete

    async def delete_first(self: Relay, partition: int, rows: Any) -> None:
        await delete(self, rows, {partition: self._epochs()[partition]})
        await begin(self, partition, rows)

    Relay._begin = delete_first  # type: ignore[method-assign]


GUARDS: Final[dict[str, Callable[[], None]]] = {
    "transaction": _without_transaction,
    "checkpoint": _without_checkpoint,
    "dedupe": _without_dedupe,
    "outbox": _without_outbox,
}


def without(guard: str) -> None:
    """Remove a guard, to see the test fail."""
    GUARDS[guard]()
