"""Merging and parting ids of one customer: events go where they belong, histories follow them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from msgspec.structs import replace

from services.lifecycle.batch import repository
from services.lifecycle.batch.cache import CustomerCache
from services.lifecycle.batch.entry import event_key
from services.lifecycle.batch.folds import Folds
from services.lifecycle.batch.rows import StoredLife
from services.lifecycle.batch.visit import Visit
from services.lifecycle.batch.work import Circles, Work
from services.lifecycle.domain.edition import unknown_customer
from services.lifecycle.domain.fold import Folded
from services.lifecycle.domain.hints import change_withdrawn_hint
from services.lifecycle.domain.state.merges import Ending, Hop, Merges, endings
from services.lifecycle.events import (
    CIRCLE_CHANGED,
    MERGE_ENDED,
    MERGE_TYPES,
    SOURCE,
    pack_ending,
    pack_way,
    read_way,
)
from shared.aio import in_chunks
from shared.events import envelope
from shared.events.envelope import Envelope, pack
from shared.identities import Merge, closing_merge
from shared.ids import partition_of, stable_text
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.stream.handler import Reader
from shared.stream.outgoing.outbox import Message


class MovingLife(NamedTuple):
    """A customer whose merges matter in this batch, as they were `before`, and what is stored."""

    visit: Visit
    before: Merges
    life: StoredLife


class MergeFlow:
    """The merges and unmerges of one batch, and the events that they move."""

    def __init__(
        self, reader: Reader, cache: CustomerCache, folds: Folds, work: Work, *, partitions: int
    ) -> None:
        self._reader: Final = reader
        self._cache: Final = cache
        self._folds: Final = folds
        self._work: Final = work
        self._partitions: Final = partitions

    async def settle(self, visits: Sequence[Visit]) -> None:
        """Move the events of these customers, and fold the histories that change by it."""
        await self._judge_circles(visits)
        async for some in in_chunks(visits):
            lives = await self._load_lives(some)
            moving = {
                visit.entry.id: MovingLife(visit, visit.entry.merges, lives[visit.entry.id])
                for visit in some
            }
            for each in moving.values():
                self._move_events(each)
            fold = partial(self._fold_moved, moving)
            for visit, folded in self._work.fold_each(some, fold):
                self._change_history(moving[visit.entry.id], folded)

    async def _judge_circles(self, visits: Sequence[Visit]) -> None:
        """Find the circles of customers whose merges change, and tell the others in them."""
        now = {visit.entry.id: visit.merges for visit in visits}
        for visit in visits:
            entry = visit.entry
            if not _may_change_circle(visit):
                continue
            before = await repository.load_circle(self._reader, entry.id, {})
            after = await repository.load_circle(self._reader, entry.id, now)
            closes = bool(after) and closing_merge(after).customer == entry.id
            visit.merges = replace(visit.merges, closes=closes)
            self._work.circles[entry.id] = Circles(before, after)
            if visit.merges.own != entry.merges.own:
                others = {merge.customer for merge in (*before, *after)} - {entry.id}
                cause = visit.merges.own[-1]
                self._work.forwarded += [
                    _circle_message(to, cause, self._partitions) for to in sorted(others)
                ]

    async def _load_lives(self, visits: Sequence[Visit]) -> dict[str, StoredLife]:
        """Load what is stored, but not of customers whose new events are only forwarded."""
        changed = [visit.entry for visit in visits if not visit.only_forwards]
        lives = await repository.load_lives(self._reader, changed)
        return {visit.entry.id: lives.get(visit.entry.id, StoredLife([], [])) for visit in visits}

    def _move_events(self, moving: MovingLife) -> None:
        """Drop events whose merge is over, forward what belongs elsewhere, and say what has ended.

        This is done even if the customer's fold then fails: others wait for it.
        """
        visit, before, life = moving
        entry = visit.entry
        after = visit.merges
        stored = self._drop_ended(visit, life)
        arrived = [incoming.event for incoming in visit.arrivals.values()]
        renewed = [incoming.event for incoming in visit.renewed.values()]
        for key, incoming in visit.renewed.items():
            self._work.renewed_events.append((entry.key, key, incoming.value))
        if after.into is not None:
            again = stored if after.merge_key != before.merge_key else renewed
            self._forward([*again, *arrived], after.into, after.next_hop(entry.id))
        if (before.merged_into is None) != (after.merged_into is None):
            self._restate(visit, [*stored, *arrived])
        self._work.forwarded += [
            _ending_message(ending, to, self._partitions)
            for to, ending in endings(entry.id, before, after)
        ]
        entry.merges = after

    def _drop_ended(self, visit: Visit, life: StoredLife) -> list[Envelope]:
        """Return the stored events that belong to the customer, and remove all others."""
        entry = visit.entry
        kept: list[Envelope] = []
        ended: list[Envelope] = []
        for event in map(envelope.decode, life.events):
            if event.subject == entry.id:
                renewed = visit.renewed.get(event_key(event))
                current = event if renewed is None else renewed.event
                admitted = visit.merges.admits(entry.id, read_way(current))
                (kept if admitted else ended).append(current)
        keys = {event_key(event) for event in ended}
        self._work.removed_events += [(entry.key, key) for key in keys]
        self._cache.remove_events(entry, keys)
        self._restate(visit, ended)
        return kept

    def _fold_moved(self, moving: Mapping[str, MovingLife], visit: Visit) -> Folded | None:
        """Fold what belongs to a customer now; None for one who is merged."""
        if visit.entry.merged_into is not None:
            return None
        return self._folds.fold_life(visit, moving[visit.entry.id].life.events)

    def _forward(self, events: Iterable[Envelope], into: str, hop: Hop) -> None:
        """Send events to the customer who stays; merges concern only whom they were sent for."""
        self._work.forwarded += [
            forwarded(event, into, hop, self._partitions)
            for event in events
            if event.type not in MERGE_TYPES
        ]

    def _restate(self, visit: Visit, events: Iterable[Envelope]) -> None:
        """Have the figures of the days computed again on which these events happened."""
        for event in events:
            self._work.recorder.counts.restate(event.time, visit.portion)

    def _change_history(self, moving: MovingLife, folded: Folded | None) -> None:
        """Withdraw the history of a customer who is merged, or bring it back; else correct it."""
        visit, before, life = moving
        folds = self._folds
        if folded is None:
            if before.merged_into is None:
                self._withdraw_notice(visit)
                nobody = unknown_customer(self._work.policies.known)
                folds.replace(visit, nobody, life.transitions, [])
            else:
                folds.accept(visit, visit.entry.customer)
        elif before.merged_into is None:
            folds.take_life(visit, folded, life.transitions)
        else:
            folds.restore(visit, folded)

    def _withdraw_notice(self, visit: Visit) -> None:
        entry = visit.entry
        notice = entry.customer.noticed
        if notice is not None:
            withdrawn = change_withdrawn_hint(notice, entry.customer.now)
            self._work.recorder.add_hints(entry, [withdrawn], visit.portion.clock, visit.portion)


def _may_change_circle(visit: Visit) -> bool:
    """Do the customer's merges change, and is or was it merged?"""
    before = visit.entry.merges
    after = visit.merges
    return after is not before and (before.into is not None or after.into is not None)


def forwarded(event: Envelope, into: str, hop: Hop, partitions: int) -> Message:
    """Make the event one of the customer who stays.

    Source and id are kept, so that forwarding it again changes nothing.
    """
    moved = replace(
        event,
        subject=into,
        mergedfrom=event.mergedfrom or event.subject,
        mergedvia=pack_way((*read_way(event), hop)),
    )
    return Message(
        partition_of(into, partitions),
        CUSTOMER_EVENTS,
        into,
        envelope.encode(moved),
        event.traceparent,
    )


def _ending_message(ending: Ending, to: str, partitions: int) -> Message:
    """Make the message that tells the customer `to` of an ending."""
    time, unmerged, source, id = ending.key
    event = Envelope(
        id=stable_text(MERGE_ENDED, to, ending.customer, str(unmerged), source, id),
        source=SOURCE,
        type=MERGE_ENDED,
        subject=to,
        time=time,
        data=pack_ending(ending),
    )
    return Message(partition_of(to, partitions), CUSTOMER_EVENTS, to, envelope.encode(event))


def _circle_message(to: str, cause: Merge, partitions: int) -> Message:
    """Make the message that asks the customer `to` to look again at its circle."""
    event = Envelope(
        id=stable_text(CIRCLE_CHANGED, to, cause.customer, cause.source, cause.id),
        source=SOURCE,
        type=CIRCLE_CHANGED,
        subject=to,
        time=cause.time,
        data=pack({}),
    )
    return Message(partition_of(to, partitions), CUSTOMER_EVENTS, to, envelope.encode(event))
