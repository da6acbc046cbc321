"""Sorts the events of a batch: which are new, repeated, parked, or to be forwarded."""

from typing import Final

import msgspec

from services.lifecycle.batch import repository
from services.lifecycle.batch.cache import CustomerCache
from services.lifecycle.batch.entry import event_key
from services.lifecycle.batch.merges import Merges
from services.lifecycle.batch.visit import Visit
from services.lifecycle.batch.work import Work
from services.lifecycle.domain.state.happenings import MergeTarget
from services.lifecycle.events import RELEASED, read
from shared.aio import in_chunks
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.stream.batch import Incoming, Portion
from shared.stream.handler import Reader
from shared.stream.log.parked_customers import recall_events


class Arrivals:
    """The events of one batch by customer."""

    def __init__(self, reader: Reader, cache: CustomerCache, work: Work, merges: Merges) -> None:
        self._reader: Final = reader
        self._cache: Final = cache
        self._work: Final = work
        self._merges: Final = merges
        self._previous_committed: Final = work.batch.previous_committed

    async def visits(self) -> list[Visit]:
        """Return the customers of the batch, with their events that are not stored yet."""
        visits = await self._new_visits()
        for portion in self._work.batch.portions.values():
            async for some in in_chunks(portion.events):
                for incoming in some:
                    visit = visits[incoming.event.subject]
                    key = event_key(incoming.event)
                    if visit.is_plain(incoming.content, key):
                        visit.arrivals[key] = incoming
                    else:
                        await self._classify(visit, incoming, key)
        return [visit for visit in visits.values() if visit.arrivals or visit.released]

    async def _new_visits(self) -> dict[str, Visit]:
        """Load the customers of the batch, and make each a visit without events."""
        portions = {
            incoming.event.subject: portion
            for portion in self._work.batch.portions.values()
            for incoming in portion.events
        }
        partitions = {customer: portion.partition for customer, portion in portions.items()}
        await self._cache.load(partitions, known=self._work.policies.known)
        return {customer: self._visit(customer, portion) for customer, portion in portions.items()}

    def _visit(self, customer: str, portion: Portion) -> Visit:
        entry = self._cache[customer]
        return Visit(portion, entry, stays=entry.parked is None and entry.merged_into is None)

    async def _classify(self, visit: Visit, incoming: Incoming, key: int) -> None:
        """Do what is right for an event that is not plainly new."""
        entry = visit.entry
        if incoming.content is RELEASED:
            await self._release(visit)
        elif entry.parked and not visit.released:
            visit.portion.reject(incoming, "parked", entry.parked, parked=entry.id)
        elif key in entry.event_keys or key in visit.arrivals:
            await self._compare(visit, incoming, key)
        elif (into := visit.merges_into or entry.merged_into) is not None:
            self._forward(incoming, into)
        elif isinstance(incoming.content.details, MergeTarget):
            await self._merge(visit, incoming, key)
        else:
            visit.arrivals[key] = incoming

    async def _release(self, visit: Visit) -> None:
        """Take a parked customer's events back from the dead letters, those of this batch too."""
        await self._previous_committed()
        entry = visit.entry
        if entry.parked is None or visit.released:
            return
        visit.released = True
        for incoming in await recall_events(self._reader, visit.portion, entry.id, read):
            await self._classify(visit, incoming, event_key(incoming.event))

    async def _compare(self, visit: Visit, incoming: Incoming, key: int) -> None:
        """Drop an event that comes again; reject it if its content is another."""
        if key in visit.arrivals:
            first: bytes | None = visit.arrivals[key].value
        else:
            await self._previous_committed()
            first = await repository.load_event(self._reader, visit.entry.key, key)
        event = incoming.event
        if first is not None and not _same_content(envelope.decode(first), event):
            detail = "other content under an id that was used before"
            visit.portion.reject(incoming, "conflicting_duplicate", detail)

    def _forward(self, incoming: Incoming, into: str) -> None:
        """Forward an event of a merged customer, unless it is the same merger under another id."""
        if incoming.content.details != MergeTarget(into):
            self._merges.forward(incoming.event, into)

    async def _merge(self, visit: Visit, incoming: Incoming, key: int) -> None:
        """Note a merger; reject one that would close a cycle."""
        customer = visit.entry.id
        into = incoming.content.details.into
        await self._previous_committed()
        if await self._merges.closes_cycle(customer, into):
            detail = "the customer who stays is merged into this one already"
            visit.portion.reject(incoming, "merge_cycle", detail)
            return
        visit.merger = incoming
        visit.stays = False
        visit.arrivals[key] = incoming
        self._work.merged[customer] = into


def _same_content(one: Envelope, other: Envelope) -> bool:
    if (one.type, one.time) != (other.type, other.time):
        return False
    if bytes(one.data) == bytes(other.data):
        return True
    try:
        return bool(msgspec.json.decode(one.data) == msgspec.json.decode(other.data))
    except msgspec.MsgspecError:
        return False
