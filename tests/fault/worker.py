"""Lifecycle's worker as a process that kills or stops itself at a chosen point, or runs without one of its guards.

Usage: python -m tests.fault.worker [POINT NTH SIGNAL] [--without GUARD]
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from services.lifecycle import repository
from services.lifecycle.apply import Lifecycle
from services.lifecycle.settings import LifecycleSettings
from services.lifecycle.worker import SUBSCRIPTION
from shared import db, outbox, ownership
from shared.consumer import Session
from shared.intake import Intake
from shared.outbox import Relay
from shared.process import run_worker
from tests.fault.traffic import POLICY

POINTS: dict[str, tuple[Any, str, bool]] = {
    "after_poll": (Session, "_fetch", True),
    "after_dedupe": (Lifecycle, "_visits", True),
    "after_upsert": (repository, "save_customers", True),
    "after_outbox": (outbox, "add", True),
    "after_checkpoint": (ownership, "advance", True),
    "after_commit": (Relay, "wake", False),
    "relay_before_produce": (Relay, "_send", False),
    "relay_after_produce": (AIOKafkaProducer, "send_batch", True),
    "relay_after_ack": (Relay, "_send", True),
}
"""Where the process can end: the function at whose n-th call, and whether after it or before."""


def end_at(point: str, nth: int, how: signal.Signals) -> None:
    """Patch the function of a point so that its n-th call that did something ends this process."""
    owner, name, after = POINTS[point]
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def reached(result: object) -> None:
        nonlocal calls
        calls += result != []
        if calls == nth:
            calls += 1
            os.kill(os.getpid(), how)

    async def patched(*args: Any, **kwargs: Any) -> Any:
        if not after:
            reached(None)
        result = await original(*args, **kwargs)
        if after:
            reached(result)
        return result

    def patched_sync(*args: Any, **kwargs: Any) -> Any:
        reached(None)
        return original(*args, **kwargs)

    setattr(owner, name, patched_sync if name == "wake" else patched)


def without(guard: str) -> None:
    """Remove a guard, to see the test fail."""
    {"transaction": _without_transaction, "dedupe": _without_dedupe, "outbox": _without_outbox}[guard]()


def _without_transaction() -> None:
    """Every statement commits by itself."""

    @asynccontextmanager
    async def no_transaction(connection: Any) -> Any:
        yield connection

    db.transaction = no_transaction


def _without_dedupe() -> None:
    """Every record counts, whether it is known or not; ids are made unique so that the tables do not refuse."""
    original, counter = Intake._take, iter(range(10**9))

    def take(self: Intake, record: Any, portion: Any, checkpoint: Any, brake: Any) -> bool:
        before = len(portion.events)
        stop = original(self, record, portion, checkpoint, brake)
        for n in range(before, len(portion.events)):
            content = portion.events[n].content
            salted = type(content)(
                content.time,
                content.source,
                f"{content.id}-{next(counter)}",
                content.kind,
                content.order,
                content.margin,
            )
            event = portion.events[n].event
            renamed = type(event)(
                id=salted.id, source=event.source, type=event.type, subject=event.subject, time=event.time
            )
            portion.events[n] = portion.events[n]._replace(event=renamed, content=salted)
        return stop

    Intake._take = take  # type: ignore[method-assign]


def _without_outbox() -> None:
    """The relay deletes before Kafka has acknowledged."""
    send, delete = Relay._send, Relay._delete

    async def delete_first(self: Relay, rows: Any) -> None:
        await delete(self, rows, {row["partition"]: self._epochs()[row["partition"]] for row in rows})
        await send(self, rows)

    Relay._send = delete_first  # type: ignore[method-assign]


def main() -> None:
    """Arm the point, remove the guard, run."""
    arguments = sys.argv[1:]
    if "--without" in arguments:
        place = arguments.index("--without")
        without(arguments[place + 1])
        arguments = arguments[:place]
    if arguments:
        point, nth, how = arguments
        end_at(point, int(nth), signal.Signals[how])
    settings = LifecycleSettings()
    run_worker(SUBSCRIPTION, settings, lambda reader: Lifecycle(reader, settings, POLICY))


if __name__ == "__main__":
    main()
