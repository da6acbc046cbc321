"""One batch: events and ticks to folded customers in memory, then to rows and messages in one transaction."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec
import structlog

from services.lifecycle import repository
from services.lifecycle.domain.customer import Customer, Happening, Move
from services.lifecycle.domain.fold import advance, fold, pass_time
from services.lifecycle.domain.policy import Policy
from services.lifecycle.memory import Entry, Memory
from services.lifecycle.reading import RELEASED, read
from services.lifecycle.recording import SOURCE, Recorder
from services.lifecycle.repository import CustomerRow, Due, EventRow
from services.lifecycle.settings import LifecycleSettings
from shared import metrics, outbox
from shared.batch import Batch, Incoming, Portion
from shared.clock import DAWN, ClockMode
from shared.consumer import Reader
from shared.db import Tx
from shared.events import envelope
from shared.events.envelope import CLOCK_TICKED, Envelope
from shared.ids import narrow
from shared.outbox import Message
from shared.topics import PHASE_TRANSITIONS
from shared.turns import in_turns

log = structlog.get_logger()


@dataclass(slots=True)
class Visit:
    """One customer's new events in a batch, by identity."""

    portion: Portion
    entry: Entry
    arrivals: dict[int, Incoming] = field(default_factory=dict)
    released: bool = False

    def happenings(self) -> list[Happening]:
        """The new events in the order of the fold."""
        found = [incoming.content for incoming in self.arrivals.values()]
        return found if len(found) == 1 else sorted(found, key=lambda h: h.key)


@dataclass(slots=True)
class Work:
    """What one batch writes. `customers` are taken from `touched` at the end: the next batch changes the entries."""

    recorder: Recorder
    touched: dict[str, Entry] = field(default_factory=dict)
    customers: list[CustomerRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    timers: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    ticks: list[Message] = field(default_factory=list)

    def arm(self, entry: Entry, *, exactly: bool = False) -> None:
        """Keep the timer no later than the earliest deadline; it moves back only when it goes off (`exactly`).

        So a customer who buys often costs one timer a term, not one an order.
        """
        due = None if entry.parked else entry.customer.due
        if due is None:
            if exactly and entry.armed is not None:
                self._set(entry, None)
        elif entry.armed is None or due < entry.armed or (exactly and due != entry.armed):
            self._set(entry, due)

    def _set(self, entry: Entry, due: datetime | None) -> None:
        self.timers[entry.id] = entry.partition, due
        entry.armed = due


class Lifecycle:
    """The handler of lifecycle's worker. It alone writes its partitions' customers, so it keeps them in memory."""

    def __init__(self, reader: Reader, settings: LifecycleSettings, policy: Policy) -> None:
        self._reader: Final = reader
        self._settings: Final = settings
        self._policy: Final = policy
        self._memory = Memory(customers=settings.customers_in_memory, events=settings.events_in_memory)

    def forget(self) -> None:
        """Ownership has changed: somebody else may have written."""
        self._memory.clear()

    # -- in memory ---------------------------------------------------------------------------------------------------

    async def prepare(self, batch: Batch) -> Work:
        """Fold the events, then the deadlines until the ticks."""
        if self._memory.full:
            await batch.settled()
            self._memory.shrink()
        work = Work(Recorder(self._policy))
        late = list[Visit]()
        async for visits in in_turns(await self._visits(batch)):
            late += [visit for visit in visits if not self._fold_on(visit, work)]
        if late:
            await batch.settled()
            async for some in in_turns(late):
                await self._fold_anew(some, work)
        await self._pass_time(batch, work)
        work.customers = [CustomerRow.of(work.touched[customer]) for customer in sorted(work.touched)]
        return work

    async def _visits(self, batch: Batch) -> list[Visit]:
        """The customers of a batch with the events that are not in the store yet."""
        places = {incoming.event.subject: portion for portion, incoming in batch.events()}
        await self._load({customer: portion.partition for customer, portion in places.items()})
        visits = {customer: Visit(portion, self._memory[customer]) for customer, portion in places.items()}
        async for arrivals in in_turns(batch.events()):
            for _, incoming in arrivals:
                await self._arrive(batch, visits[incoming.event.subject], incoming)
        return [visit for visit in visits.values() if visit.arrivals or visit.released]

    async def _arrive(self, batch: Batch, visit: Visit, incoming: Incoming) -> None:
        entry = visit.entry
        if incoming.content is RELEASED:
            await batch.settled()
            await self._release(batch, visit)
        elif entry.parked and not visit.released:
            visit.portion.reject(incoming, "parked", entry.parked, parked=entry.id)
        else:
            key = narrow(f"{incoming.event.source}\x1f{incoming.event.id}")
            if key in entry.known or key in visit.arrivals:
                await self._compare(batch, visit, incoming, key)
            else:
                visit.arrivals[key] = incoming

    async def _load(self, partitions: dict[str, int]) -> None:
        missing = self._memory.missing(partitions)
        if missing:
            found = {entry.id: entry for entry in await repository.load(self._reader, missing)}
            self._memory.add(found.get(customer) or Entry(customer, partitions[customer]) for customer in missing)

    async def _compare(self, batch: Batch, visit: Visit, incoming: Incoming, key: int) -> None:
        """An event comes again; the same identity with another content is a dead letter."""
        if key in visit.arrivals:
            first: bytes | None = visit.arrivals[key].value
        else:
            await batch.settled()
            first = await repository.event(self._reader, visit.entry.id, key)
        if first is not None and not _same_content(envelope.decode(first), incoming.event):
            visit.portion.reject(incoming, "conflicting_duplicate", f"{incoming.event.source} {incoming.event.id}")

    async def _release(self, batch: Batch, visit: Visit) -> None:
        """Take what waits in the dead letters for a parked customer, and what this batch has just put there."""
        entry, portion = visit.entry, visit.portion
        if entry.parked is None or visit.released:
            return
        visit.released = True
        waiting = [tuple(row) for row in await repository.waiting(self._reader, entry.id)]
        waiting += [(*letter[:3], letter.value) for letter in portion.dead if letter.customer == entry.id]
        portion.dead = [letter for letter in portion.dead if letter.customer != entry.id]
        for topic, partition, offset, value in waiting:
            event = envelope.decode(value)
            await self._arrive(batch, visit, Incoming(topic, partition, offset, value, event, read(topic, event)))

    def _fold_on(self, visit: Visit, work: Work) -> bool:
        """Fold new events onto the state; False, with nothing changed, if one of them is late."""
        customer, moves = visit.entry.customer, list[Move]()
        if visit.released:
            return False
        try:
            for happening in visit.happenings():
                if customer.is_late(happening):
                    return False
                customer, more = advance(customer, happening, self._policy)
                moves += more
        except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
            self._park(visit, error, work)
            return True
        self._accept(visit, customer, work)
        if moves:
            work.recorder.changed(visit.entry, moves, visit.portion.clock, visit.portion.import_began)
        return True

    async def _fold_anew(self, visits: Sequence[Visit], work: Work) -> None:
        """Fold customers with late events from everything stored, and record how the history changes."""
        stored = await repository.events(self._reader, [visit.entry.id for visit in visits])
        histories = await repository.histories(self._reader, [visit.entry.id for visit in visits])
        for visit in visits:
            entry, portion = visit.entry, visit.portion
            try:
                happenings = [*self._happenings(entry.id, stored[entry.id]), *visit.happenings()]
                customer, moves = fold(happenings, self._policy, until=entry.customer.since)
                if _may_fire(customer, portion, until=portion.clock):
                    customer, more = pass_time(customer, portion.clock, self._policy)
                    moves += more
            except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
                self._park(visit, error, work)
                continue
            self._accept(visit, customer, work)
            work.recorder.recomputed(entry, histories[entry.id], moves, portion.clock, portion.import_began)

    def _happenings(self, customer: str, bodies: Iterable[bytes]) -> Iterable[Happening]:
        for event in map(envelope.decode, bodies):
            content = read("", event)
            if event.subject == customer and isinstance(content, Happening):
                yield content

    def _accept(self, visit: Visit, customer: Customer, work: Work) -> None:
        entry, portion = visit.entry, visit.portion
        owner = narrow(entry.id)
        entry.customer = customer
        self._memory.learn(entry, visit.arrivals)
        work.events += [
            EventRow(owner, key, incoming.event.time, portion.clock, incoming.value)
            for key, incoming in visit.arrivals.items()
        ]
        if visit.released:
            entry.parked = None
            work.released.append(entry.id)
        work.touched[entry.id] = entry
        work.arm(entry, exactly=portion.import_open or visit.released)

    def _park(self, visit: Visit, error: Exception, work: Work) -> None:
        entry = visit.entry
        log.exception("customer.parked", partition=entry.partition)
        metrics.PARKED.inc()
        entry.parked = f"{type(error).__name__}: {error}"
        for incoming in visit.arrivals.values():
            visit.portion.reject(incoming, "parked", entry.parked, parked=entry.id)
        work.touched[entry.id] = entry
        work.arm(entry, exactly=True)

    async def _pass_time(self, batch: Batch, work: Work) -> None:
        """Fire the deadlines due until the ticks; if there are too many, the rest is left for the next batch."""
        ticking = {p: portion for p, portion in batch.portions.items() if portion.tick is not None}
        if not ticking:
            return
        await batch.settled()
        due = await self._due(ticking)
        due |= {
            entry.id: entry.partition
            for entry in work.touched.values()
            if entry.partition in ticking and _may_fire(entry.customer, ticking[entry.partition])
        }
        await self._load(due)
        for customer, partition in due.items():
            self._fire(self._memory[customer], ticking[partition], work)
        if self._settings.clock is ClockMode.LOG:
            work.ticks = [_forward(portion) for portion in ticking.values() if not portion.unfinished]

    async def _due(self, ticking: dict[int, Portion]) -> dict[str, int]:
        wanted = [Due(p, _held(portion), _until(portion)) for p, portion in ticking.items()]
        limit = self._settings.timers_per_batch
        found = await repository.due(self._reader, wanted, limit + 1)
        if len(found) > limit:
            cut = found[limit][1]
            for partition, portion in ticking.items():
                portion.unfinished = partition >= cut
        return dict(found[:limit])

    def _fire(self, entry: Entry, portion: Portion, work: Work) -> None:
        tick = _until(portion)
        if not entry.parked:
            try:
                entry.customer, moves = pass_time(entry.customer, tick, self._policy)
            except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
                self._park(Visit(portion, entry), error, work)
                return
            if moves:
                work.recorder.changed(entry, moves, tick, portion.import_began)
                work.touched[entry.id] = entry
                metrics.DEADLINES_FIRED.inc(len(moves))
        work.arm(entry, exactly=True)

    # -- in the transaction ------------------------------------------------------------------------------------------

    async def apply(self, work: Work, tx: Tx) -> None:
        """One statement per table."""
        await repository.add_events(tx, work.events)
        await repository.save_customers(tx, work.customers)
        await repository.add_transitions(tx, work.recorder.rows, work.recorder.withdrawn)
        await repository.set_timers(tx, work.timers)
        await repository.forget_waiting(tx, work.released)
        await outbox.add(tx, work.recorder.messages + work.ticks)
        for rule, count in Counter(row.rule for row in work.recorder.rows).items():
            metrics.TRANSITIONS.labels(rule).inc(count)
        metrics.CORRECTIONS.inc(len({(customer, by) for customer, _, by in work.recorder.withdrawn}))


def _same_content(one: Envelope, other: Envelope) -> bool:
    if (one.type, one.time) != (other.type, other.time):
        return False
    try:
        return bytes(one.data) == bytes(other.data) or msgspec.json.decode(one.data) == msgspec.json.decode(other.data)
    except msgspec.MsgspecError:
        return False


def _until(portion: Portion) -> datetime:
    return portion.tick or portion.clock


def _may_fire(customer: Customer, portion: Portion, *, until: datetime | None = None) -> bool:
    """Is the next deadline due, and not one of those that an open import holds back?"""
    return customer.due is not None and _held(portion) < customer.due <= (until or _until(portion))


def _held(portion: Portion) -> datetime:
    """Deadlines up to here wait for the end of a history import."""
    began = portion.import_began if portion.import_open else None
    return began or datetime.min.replace(tzinfo=DAWN.tzinfo)


def _forward(portion: Portion) -> Message:
    tick = _until(portion)
    event = Envelope(id=f"tick-{tick.isoformat()}", source=SOURCE, type=CLOCK_TICKED, time=tick)
    return Message(portion.partition, PHASE_TRANSITIONS, None, envelope.encode(event))
