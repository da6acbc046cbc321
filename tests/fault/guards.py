"""The guards that keep every effect exactly once, removed one at a time: the checks must fail."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec.structs import replace

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
    """Apply every record, known or not; ids are made unique so that no table refuses them."""
    original = RecordReader._take
    counter = iter(range(10**9))

    def take(self: RecordReader, record: Any, portion: Any, checkpoint: Any, brake: Any) -> bool:
        before = len(portion.events)
        stop = original(self, record, portion, checkpoint, brake)
        for n in range(before, len(portion.events)):
            content = portion.events[n].content
            salted = replace(content, id=f"{content.id}-{next(counter)}")
            event = portion.events[n].event
            renamed = type(event)(
                id=salted.id,
                source=event.source,
                type=event.type,
                subject=event.subject,
                time=event.time,
            )
            portion.events[n] = replace(portion.events[n], event=renamed, content=salted)
        return stop

    RecordReader._take = take  # type: ignore[method-assign]


def _without_outbox() -> None:
    """Let the relay delete before Kafka has acknowledged."""
    send = Relay._send
    delete = Relay._delete

    async def delete_first(self: Relay, rows: Any) -> None:
        await delete(
            self, rows, {row["partition"]: self._epochs()[row["partition"]] for row in rows}
        )
        await send(self, rows)

    Relay._send = delete_first  # type: ignore[method-assign]


GUARDS: Final[dict[str, Callable[[], None]]] = {
    "transaction": _without_transaction,
    "checkpoint": _without_checkpoint,
    "dedupe": _without_dedupe,
    "outbox": _without_outbox,
}


def without(guard: str) -> None:
    """Remove a guard, to see the test fail."""
    GUARDS[guard]()
