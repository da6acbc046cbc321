"""Parked customers: their fold has failed, their events wait in the dead letters until an operator releases them."""

from collections.abc import Iterable
from typing import Final

import structlog

from shared import metrics
from shared.clock import now
from shared.database.connection import Tx
from shared.errors import Problem
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.ids import stable_text
from shared.stream.batch import DeadLetter, Incoming, Portion, Read
from shared.stream.outgoing.outbox import Message

log = structlog.get_logger()

_WAITING: Final = """
SELECT topic, partition, "offset", customer, reason, detail, value, recorded_at FROM dead_letter
WHERE customer = $1 ORDER BY topic, partition, "offset"
"""
_FORGET: Final = "DELETE FROM dead_letter WHERE customer = ANY($1::text[])"


def failed(error: Exception, **context: object) -> str:
    """A customer's fold has failed: count it and log where; returns what to keep as the reason."""
    metrics.PARKED.inc()
    log.error("customer.parked", exc_info=error, **context)
    return repr(error)


async def recall(connection: Tx, portion: Portion, customer: str, read: Read) -> list[Incoming]:
    """The records that wait for a parked customer, those included that this batch has just put aside; in no order."""
    letters = [
        DeadLetter(*row) for row in await connection.fetch(_WAITING, customer)
    ] + portion.take_back(customer)
    found = []
    for letter in letters:
        event = envelope.decode(letter.value)
        found.append(Incoming(*letter[:3], letter.value, event, read(letter.topic, event)))
    return [incoming for incoming in found if incoming.content is not None]


async def forget(tx: Tx, customers: Iterable[str]) -> None:
    """Delete the dead letters of customers that are parked no longer: they have been folded."""
    released = list(customers)
    if released:
        await tx.execute(_FORGET, released)


def release(
    kind: str, source: str, topic: str, customer: str, partition: int, *, parked: str | None
) -> Message:
    """The internal event that asks a customer's owner to fold what waits. Raises Problem 409 unless `parked`."""
    if parked is None:
        raise Problem(409, "not_parked", f"Customer {customer} is not parked.")
    at = now()
    request = Envelope(
        id=stable_text(kind, customer, at.isoformat()),
        source=source,
        type=kind,
        subject=customer,
        time=at,
    )
    return Message(partition, topic, customer, envelope.encode(request))
