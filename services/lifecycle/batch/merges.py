"""Merging two ids of one customer: the events of the old id are forwarded to the one that stays."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec.structs import replace

from services.lifecycle.batch import repository
from services.lifecycle.batch.folds import Folds
from services.lifecycle.batch.rows import StoredLife
from services.lifecycle.batch.visit import Visit
from services.lifecycle.batch.work import Work
from services.lifecycle.domain.edition import unknown_customer
from services.lifecycle.domain.hints import change_withdrawn_hint
from shared.aio import in_chunks
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.ids import partition_of
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.handler import Reader
from shared.stream.outgoing.outbox import Message

MergedInto = Callable[[str], Awaitable[str | None]]
"""Looks up into whom a customer is merged; None if into nobody."""


class Merges:
    """The mergers of one batch."""

    def __init__(self, reader: Reader, folds: Folds, work: Work, *, partitions: int) -> None:
        self._reader: Final = reader
        self._folds: Final = folds
        self._work: Final = work
        self._partitions: Final = partitions

    def forward(self, event: Envelope, into: str) -> None:
        """Send an event to the customer who stays."""
        self._work.forwarded.append(forwarded(event, into, self._partitions))

    async def closes_cycle(self, customer: str, into: str) -> bool:
        """Is `into` merged into the customer already, in this batch or before?"""

        async def merged_into(other: str) -> str | None:
            in_batch = self._work.merged.get(other)
            return in_batch or await repository.merged_into(self._reader, other)

        return await leads_back(customer, into, merged_into)

    async def merge(self, visits: Sequence[Visit]) -> None:
        """Withdraw the histories of customers who are merged into others; forward their events."""
        async for some in in_chunks(visits):
            lives = await repository.load_lives(self._reader, [visit.entry for visit in some])
            for visit in some:
                self._merge_one(visit, lives[visit.entry.id])

    def _merge_one(self, visit: Visit, life: StoredLife) -> None:
        entry = visit.entry
        portion = visit.portion
        into = visit.merges_into
        assert into is not None  # noqa: S101
        events = [envelope.decode(record) for record in life.events]
        events += [
            incoming.event for incoming in visit.arrivals.values() if incoming is not visit.merger
        ]
        for event in events:
            if event.subject == entry.id:
                self.forward(event, into)
            self._work.recorder.counts.restate(event.time, portion)
        entry.merged_into = into
        notice = entry.customer.noticed
        if notice is not None:
            withdrawn = change_withdrawn_hint(notice, entry.customer.now)
            self._work.recorder.add_hints(entry, [withdrawn], portion.clock, portion)
        nobody = unknown_customer(self._work.policies.known)
        self._folds.replace(visit, nobody, life.transitions, [])


def forwarded(event: Envelope, into: str, partitions: int) -> Message:
    """Make the event one of the customer who stays.

    Source and id are kept, so that forwarding it again changes nothing.
    """
    moved = replace(event, subject=into, mergedfrom=event.mergedfrom or event.subject)
    return Message(
        partition_of(into, partitions),
        CUSTOMER_EVENTS,
        into,
        envelope.encode(moved),
        event.traceparent,
    )


async def leads_back(customer: str, into: str, merged_into: MergedInto) -> bool:
    """Does the chain of mergers that begins with `into` lead back to the customer?"""
    end: str | None = into
    while end is not None and end != customer:
        end = await merged_into(end)
    return end is not None
