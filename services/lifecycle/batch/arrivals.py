"""Sorts the events of a batch: which are new, repeated, parked, or belong to nobody here."""

from typing import Final

import msgspec

from services.lifecycle.batch import repository
from services.lifecycle.batch.cache import CustomerCache
from services.lifecycle.batch.entry import event_key
from services.lifecycle.batch.visit import Visit
from services.lifecycle.batch.work import Work
from services.lifecycle.domain.state.happenings import MERGES
from services.lifecycle.domain.state.merges import Ending, is_newer, merge_of
from services.lifecycle.events import CIRCLE_CHANGED, RELEASED, read, read_way
from shared.aio import in_chunks
from shared.errors import Poison
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.stream.batch import Incoming
from shared.stream.handler import Reader
from shared.stream.log.parked_customers import recall_events


class Arrivals:
    """The events of one batch by customer."""

    def __init__(self, reader: Reader, cache: CustomerCache, work: Work) -> None:
        self._reader: Final = reader
        self._cache: Final = cache
        self._work: Final = work
        self._previous_committed: Final = work.batch.previous_committed

    async def visits(self) -> list[Visit]:
        """Return the customers of the batch, with their events that are not stored yet."""
        visits = await self._new_visits()
        for portion in self._work.batch.portions.values():
            async for some in in_chunks(portion.events):
                for incoming in some:
                    visit = visits[incoming.event.subject]
                    key = event_key(incoming.event)
                    if visit.is_plain(incoming, key):
                        visit.arrivals[key] = incoming
                    else:
                        await self._classify(visit, incoming, key)
        return [visit for visit in visits.values() if not visit.is_empty]

    async def _new_visits(self) -> dict[str, Visit]:
        """Load the customers of the batch, and make each a visit without events."""
        portions = {
            incoming.event.subject: portion
            for portion in self._work.batch.portions.values()
            for incoming in portion.events
        }
        partitions = {customer: portion.partition for customer, portion in portions.items()}
        await self._cache.load(partitions, known=self._work.policies.known)
        return {
            customer: Visit.of(portion, self._cache[customer])
            for customer, portion in portions.items()
        }

    async def _classify(self, visit: Visit, incoming: Incoming, key: int) -> None:
        """Do what is right for an event that is not plainly new."""
        entry = visit.entry
        if incoming.content is RELEASED:
            await self._release(visit)
        elif entry.parked and not visit.released:
            visit.portion.reject(incoming, "parked", entry.parked, parked=entry.id)
        elif isinstance(incoming.content, Ending):
            visit.take_ending(incoming.content)
        elif incoming.content is CIRCLE_CHANGED:
            visit.reconsider()
        elif not _is_admitted(visit, incoming):
            return
        elif key in entry.event_keys or key in visit.arrivals:
            await self._compare(visit, incoming, key)
        elif incoming.content.kind in MERGES and incoming.event.mergedfrom is None:
            _take_merge(visit, incoming, key)
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
        """Drop an event that comes again; reject it if its content is another.

        If a newer merge has brought it, that is the way by which it belongs here.
        """
        event = incoming.event
        known = visit.arrivals.get(key) or visit.renewed.get(key)
        if known is not None:
            first: Envelope | None = known.event
        else:
            await self._previous_committed()
            first = await self._stored_event(visit, key)
        if first is None:
            return
        if not _same_content(first, event):
            detail = "other content under an id that was used before"
            visit.portion.reject(incoming, "conflicting_duplicate", detail)
        elif event.mergedvia and is_newer(read_way(event), read_way(first)):
            again = visit.arrivals if key in visit.arrivals else visit.renewed
            again[key] = incoming

    async def _stored_event(self, visit: Visit, key: int) -> Envelope | None:
        record = await repository.load_event(self._reader, visit.entry.key, key)
        return None if record is None else envelope.decode(record)


def _take_merge(visit: Visit, incoming: Incoming, key: int) -> None:
    """Take a merge or unmerge; reject a merge of an id into itself."""
    merge = merge_of(visit.entry.id, incoming.content)
    if merge.is_of_itself:
        visit.portion.reject(incoming, "merge_cycle", "the customer is merged into itself")
        return
    visit.take_merge(merge)
    visit.arrivals[key] = incoming


def _is_admitted(visit: Visit, incoming: Incoming) -> bool:
    """Does the event belong to the customer? Rejects it if nobody can tell."""
    try:
        return visit.admits(incoming.event)
    except Poison as poison:
        visit.portion.reject(incoming, poison.reason, poison.detail)
        return False


def _same_content(one: Envelope, other: Envelope) -> bool:
    if (one.type, one.time) != (other.type, other.time):
        return False
    if bytes(one.data) == bytes(other.data):
        return True
    try:
        return bool(msgspec.json.decode(one.data) == msgspec.json.decode(other.data))
    except msgspec.MsgspecError:
        return False
