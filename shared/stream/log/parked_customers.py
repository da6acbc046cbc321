"""Parked customers: their fold has failed, and their events wait until they are released."""

from collections.abc import Iterable
from typing import Final

import structlog

from shared import metrics
from shared.clock import now
from shared.database.connection import Tx, on_commit
from shared.error_texts import describe
from shared.errors import Problem
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.ids import stable_text
from shared.stream.batch import DeadLetter, Incoming, Portion, Read
from shared.stream.outgoing.outbox import Message

log = structlog.get_logger()

_WAITING: Final = """
SELECT topic, partition, "offset", customer, subject, time, reason, detail, value, recorded_at
FROM dead_letter WHERE customer = $1 ORDER BY topic, partition, "offset"
"""
_DELETE: Final = "DELETE FROM dead_letter WHERE customer = ANY($1::text[])"


def record_failure(error: Exception, **context: object) -> str:
    """Log that a customer's fold has failed; returns the reason to keep."""
    log.error("customer.parked", exc_info=error, **context)
    return describe(error)


def count_parked(customers: int) -> None:
    """Count customers who are parked by the open transaction."""
    on_commit(lambda: metrics.PARKED.inc(customers))


async def recall_events(
    connection: Tx, portion: Portion, customer: str, read: Read
) -> list[Incoming]:
    """Return the records that wait for a parked customer, in no order.

    Those that this batch has just put into the dead letters are taken back.
    """
    stored = [DeadLetter(*row) for row in await connection.fetch(_WAITING, customer)]
    records = []
    for letter in [*stored, *portion.take_back(customer)]:
        event = envelope.decode(letter.value)
        content = read(letter.topic, event)
        if content is not None:
            place = (letter.topic, letter.partition, letter.offset)
            records.append(Incoming(*place, letter.value, event, content))
    return records


async def delete_dead_letters(tx: Tx, customers: Iterable[str]) -> None:
    """Delete the dead letters of customers who are no longer parked: they have been folded."""
    released = list(customers)
    if released:
        await tx.execute(_DELETE, released)


def release_request(
    kind: str, source: str, topic: str, customer: str, partition: int, *, parked: str | None
) -> Message:
    """Make the internal event that asks a customer's owner to fold what waits.

    Raises Problem 409 unless `parked` gives the reason for which the customer is parked.
    """
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
