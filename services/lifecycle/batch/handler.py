"""One batch: events and ticks to folded customers in memory, then to rows and messages in one transaction."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from services.lifecycle.batch import merges, repository
from services.lifecycle.batch.cache import Entry, Memory
from services.lifecycle.batch.recorder import Recorder
from services.lifecycle.batch.repository import CustomerRow, Due
from services.lifecycle.batch.schedule_watch import Judging, PolicyFile
from services.lifecycle.batch.visit import Visit, Work
from services.lifecycle.domain.fold import (
    Folded,
    advance,
    apply_schedule,
    fold,
    hints_to_withdraw,
    pass_time,
    with_exact_due,
)
from services.lifecycle.domain.hints import Hint, change_withdrawn_hint
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.happenings import EventKind, Happening, MergeTarget
from services.lifecycle.events import ACTIVATED, RELEASED, SOURCE, read
from services.lifecycle.settings import LifecycleSettings
from shared import metrics
from shared.aio import in_chunks
from shared.clock import ClockMode
from shared.database.connection import Tx
from shared.events import envelope
from shared.events.envelope import CLOCK_TICKED, Envelope
from shared.ids import narrow
from shared.kafka.topics import PHASE_TRANSITIONS
from shared.stream.batch import Batch, Incoming, Portion
from shared.stream.log import parked
from shared.stream.outgoing import outbox
from shared.stream.outgoing.outbox import Message
from shared.stream.session import Reader

_ORDER: Final = EventKind.ORDER
_ACTIVATED: Final = EventKind.ACTIVATED


class LifecycleHandler:
    """The handler of lifecycle's worker. It alone writes its partitions' customers, so it keeps them in memory."""

    def __init__(
        self, reader: Reader, settings: LifecycleSettings, file: PolicyFile | Policy
    ) -> None:
        self._reader: Final = reader
        self._settings: Final = settings
        self._activating: set[int] | None = None
        self._memory = Memory(
            customers=settings.customers_in_memory, events=settings.events_in_memory
        )
        file = file if isinstance(file, PolicyFile) else PolicyFile(file)
        self._judging = Judging(reader, file, customers=settings.timers_per_batch)

    def forget(self) -> None:
        """Ownership has changed: somebody else may have written."""
        self._memory.clear()
        self._activating = None
        self._judging.forget()

    async def pending_work(self) -> Collection[int]:
        """Partitions whose customers are still to be judged by an activation."""
        await self._judging.look_up()
        return self._judging.unfinished

    # -- in memory ---------------------------------------------------------------------------------------------------

    async def prepare(self, batch: Batch) -> Work:
        """Fold the events, then the deadlines until the ticks."""
        if self._memory.full:
            await batch.settled()
            self._memory.shrink()
        if self._activating is None:
            self._activating = await repository.sighted(self._reader, ACTIVATED)
        self._policies = await self._judging.look_up()
        work = Work(Recorder(self._policies, self._activating), batch.portions)
        late: list[Visit] = []
        async for visits in in_chunks(await self._visits(batch, work)):
            late += [visit for visit in visits if not self._fold_on(visit, work)]
        if late:
            await batch.settled()
            async for some in in_chunks(late):
                await self._fold_anew([visit for visit in some if visit.merger is None], work)
                await self._merge([visit for visit in some if visit.merger is not None], work)
        await self._rejudge(batch, work)
        await self._pass_time(batch, work)
        work.customers = [
            CustomerRow.of(work.touched[customer]) for customer in sorted(work.touched)
        ]
        work.relabel()
        return work

    async def _visits(self, batch: Batch, work: Work) -> list[Visit]:
        """The customers of a batch with the events that are not in the store yet."""
        portions = batch.portions.values()
        places = {
            incoming.event.subject: portion for portion in portions for incoming in portion.events
        }
        await self._load({customer: portion.partition for customer, portion in places.items()})
        visits = {customer: self._visit(customer, portion) for customer, portion in places.items()}
        for portion in portions:
            async for arrivals in in_chunks(portion.events):
                for incoming in arrivals:
                    event = incoming.event
                    visit, key = visits[event.subject], narrow(f"{event.source}\x1f{event.id}")
                    if visit.is_plain(incoming.content, key):
                        visit.arrivals[key] = incoming
                    else:
                        await self._arrive(batch, visit, incoming, key, work)
        return [visit for visit in visits.values() if visit.arrivals or visit.released]

    def _visit(self, customer: str, portion: Portion) -> Visit:
        entry = self._memory[customer]
        return Visit(portion, entry, stays=entry.parked is None and entry.merged_into is None)

    async def _arrive(
        self, batch: Batch, visit: Visit, incoming: Incoming, key: int, work: Work
    ) -> None:
        entry = visit.entry
        if incoming.content is RELEASED:
            await batch.settled()
            await self._release(batch, visit, work)
        elif entry.parked and not visit.released:
            visit.portion.reject(incoming, "parked", entry.parked, parked=entry.id)
        elif key in entry.known or key in visit.arrivals:
            await self._compare(batch, visit, incoming, key)
        elif (into := visit.into or entry.merged_into) is not None:
            if incoming.content.content != MergeTarget(
                into
            ):  # told again under another id: nothing to send on
                work.onward.append(
                    merges.forwarded(incoming.event, into, self._settings.partitions)
                )
        elif await self._may_stay(batch, visit, incoming, work):
            visit.arrivals[key] = incoming

    async def _may_stay(self, batch: Batch, visit: Visit, incoming: Incoming, work: Work) -> bool:
        """Note a merger; one that would close a cycle is a dead letter."""
        merger = incoming.content.content
        if not isinstance(merger, MergeTarget):
            return True
        await batch.settled()

        async def merged_into(customer: str) -> str | None:
            return work.merged.get(customer) or await repository.merged_into(self._reader, customer)

        if await merges.closes_cycle(visit.entry.id, merger.into, merged_into):
            visit.portion.reject(
                incoming, "merge_cycle", f"{merger.into} is merged into {visit.entry.id} already"
            )
            return False
        visit.merger, visit.stays = incoming, False
        work.merged[visit.entry.id] = merger.into
        return True

    async def _load(self, partitions: dict[str, int]) -> None:
        missing = self._memory.missing(partitions)
        if missing:
            found = {entry.id: entry for entry in await repository.load(self._reader, missing)}
            known = self._policies.known
            self._memory.add(
                found.get(customer) or Entry(customer, partitions[customer], Customer(known=known))
                for customer in missing
            )

    async def _compare(self, batch: Batch, visit: Visit, incoming: Incoming, key: int) -> None:
        """An event comes again; the same identity with another content is a dead letter."""
        if key in visit.arrivals:
            first: bytes | None = visit.arrivals[key].value
        else:
            await batch.settled()
            first = await repository.event(self._reader, visit.entry.id, key)
        if first is not None and not _same_content(envelope.decode(first), incoming.event):
            visit.portion.reject(
                incoming, "conflicting_duplicate", f"{incoming.event.source} {incoming.event.id}"
            )

    async def _release(self, batch: Batch, visit: Visit, work: Work) -> None:
        """Take what waits in the dead letters for a parked customer, and what this batch has just put there."""
        entry = visit.entry
        if entry.parked is None or visit.released:
            return
        visit.released = True
        for incoming in await parked.recall(self._reader, visit.portion, entry.id, read):
            key = narrow(f"{incoming.event.source}\x1f{incoming.event.id}")
            await self._arrive(batch, visit, incoming, key, work)

    def _fold_on(self, visit: Visit, work: Work) -> bool:
        """Fold new events onto the state; False, with nothing changed, if that takes more than the state knows."""
        if visit.released or visit.merger is not None:
            return False
        try:
            folded = self._onward(visit)
        except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
            self._park(visit, error, work)
            return True
        if folded is None:
            return False
        self._take_over(visit, folded, work)
        return True

    def _take_over(self, visit: Visit, folded: Folded, work: Work) -> None:
        """What has been folded onto the state is the state."""
        entry, portion, before = visit.entry, visit.portion, visit.entry.customer
        self._accept(visit, folded.customer, work)
        work.recorder.lived(entry, before, folded.moves)
        if folded.moves:
            work.recorder.changed(entry, folded.moves, portion.clock, portion)
        if folded.hints:
            work.recorder.hinted(entry, folded.hints, portion.clock, portion.import_began)

    def _onward(self, visit: Visit) -> Folded | None:
        """The state with the new events; None if one is late or repeats an order, or an activation reaches back."""
        customer = visit.entry.customer
        moves: list[Move] = []
        hints: list[Hint] = []
        happenings = visit.happenings()
        if customer.is_late(happenings[0]) or visit.repeats_order(happenings):
            return None
        if customer.known != self._policies.known:
            relearned = apply_schedule(customer, self._policies)
            if relearned is None:
                return None
            customer, hints = relearned.customer, [*relearned.hints]
        for happening in happenings:
            step = advance(customer, happening, self._policies)
            customer = step.customer
            moves += step.moves
            hints += step.hints
        return self._until_clock(Folded(customer, moves, hints), visit.portion)

    async def _fold_anew(self, visits: Sequence[Visit], work: Work) -> None:
        """Fold customers with late events from everything stored, and record how the history changes."""
        stored = await repository.events(self._reader, [visit.entry.id for visit in visits])
        histories = await repository.histories(self._reader, [visit.entry.id for visit in visits])
        for visit in visits:
            entry, portion = visit.entry, visit.portion
            try:
                happenings = [*self._happenings(entry.id, stored[entry.id]), *visit.happenings()]
                folded = self._until_clock(
                    fold(happenings, self._policies, until=entry.customer.reached), portion
                )
            except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
                self._park(visit, error, work)
                continue
            before, history = entry.customer, histories[entry.id]
            hints = [*folded.hints, *hints_to_withdraw(before, folded)]
            self._accept(visit, folded.customer, work)
            work.recorder.relived(entry, before, history, folded.moves)
            work.recorder.recomputed(entry, history, folded.moves, portion)
            work.recorder.hinted(entry, hints, portion.clock, portion.import_began)

    def _until_clock(self, folded: Folded, portion: Portion) -> Folded:
        """What comes behind the clock is judged as of the clock: no later tick need come."""
        if portion.import_open:  # what is held back is told by its exact instant
            folded = folded.then(with_exact_due(folded.customer, self._policies))
        if not _may_fire(folded.customer, portion, until=portion.clock):
            return folded
        return folded.then(pass_time(folded.customer, portion.clock, self._policies))

    async def _merge(self, visits: Sequence[Visit], work: Work) -> None:
        """Withdraw the histories of customers who are merged into others, and send their events on."""
        if not visits:
            return
        stored = await repository.events(self._reader, [visit.entry.id for visit in visits])
        histories = await repository.histories(self._reader, [visit.entry.id for visit in visits])
        for visit in visits:
            entry, portion, into = visit.entry, visit.portion, visit.into
            assert into is not None  # noqa: S101
            events = [envelope.decode(body) for body in stored[entry.id]]
            events += [i.event for i in visit.arrivals.values() if i is not visit.merger]
            work.onward += [
                merges.forwarded(event, into, self._settings.partitions)
                for event in events
                if event.subject == entry.id
            ]
            before, history = entry.customer, histories[entry.id]
            entry.merged_into, told = into, before.noticed
            if told is not None:
                withdrawn = change_withdrawn_hint(told, before.now)
                work.recorder.hinted(entry, [withdrawn], portion.clock, portion.import_began)
            for event in events:
                work.recorder.restate(event.time, portion)
            self._accept(visit, Customer(known=self._policies.known), work)
            work.recorder.relived(entry, before, history, [])
            work.recorder.recomputed(entry, history, [], portion)

    def _happenings(self, customer: str, bodies: Iterable[bytes]) -> Iterable[Happening]:
        for event in map(envelope.decode, bodies):
            content = read("", event)
            if event.subject == customer and isinstance(content, Happening):
                yield content

    def _accept(self, visit: Visit, customer: Customer, work: Work) -> None:
        entry, portion, events = visit.entry, visit.portion, work.events
        if (
            customer.account != entry.customer.account and entry.version
        ):  # of others nothing is counted yet
            work.accounts.setdefault(entry.id, entry.customer.account)
        (latest, _, _), entry.customer = entry.customer.last_event, customer
        self._memory.learn(entry, visit.arrivals)
        clock, closed = portion.clock, portion.closed
        for key, incoming in visit.arrivals.items():
            told: Happening = incoming.content
            amount, currency = told.amount_and_currency
            if told.order_key is not None:
                if told.order_key in entry.orders and (told.kind is _ORDER or told.time < latest):
                    work.retold.append((entry.key, told.order_key))
                entry.orders.add(told.order_key)
            elif told.kind is _ACTIVATED and entry.partition not in work.recorder.activating:
                work.recorder.activating.add(entry.partition)
                work.sightings.add(entry.partition)
            if told.time < closed:
                work.recorder.restate(told.time, portion)
            latest = told.time if told.time > latest else latest  # noqa: FURB136  (max takes five times as long)
            type, body = incoming.event.type, incoming.value
            events.append(
                (entry.key, key, told.order_key, told.time, clock, type, amount, currency, body)
            )
        if visit.released:
            entry.parked = None
            work.released.append(entry.id)
        work.touched[entry.id] = entry
        work.arm(entry, exactly=visit.portion.import_open or visit.released)

    def _park(self, visit: Visit, error: Exception, work: Work) -> None:
        entry = visit.entry
        entry.parked = parked.failed(error, partition=entry.partition)
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
        visits = [
            Visit(ticking[partition], self._memory[customer]) for customer, partition in due.items()
        ]
        await self._relearn(visits, work)
        for visit in visits:
            self._fire(visit.entry, visit.portion, work)
        if self._settings.clock is ClockMode.LOG:
            work.ticks = [
                _forward(portion) for portion in ticking.values() if not portion.unfinished
            ]

    async def _rejudge(self, batch: Batch, work: Work) -> None:
        """Bring some more customers, of one partition, under activations that they were not folded with."""
        partition = min(self._judging.unfinished & batch.portions.keys(), default=None)
        if partition is None:
            return
        await batch.settled()
        portion = batch.portions[partition]
        customers = await self._judging.next_customers(partition)
        await self._load(dict.fromkeys(customers, partition))
        await self._relearn(
            [Visit(portion, self._memory[customer]) for customer in customers], work
        )
        work.rearmed[partition] = self._judging.done(partition, customers)

    async def _relearn(self, visits: Sequence[Visit], work: Work) -> None:
        """Judge customers by all activations known, those anew who have seen the time of one."""
        anew = list[Visit]()
        for visit in visits:
            entry, portion = visit.entry, visit.portion
            if entry.parked or entry.merged_into or entry.customer.known == self._policies.known:
                continue
            try:
                relearned = apply_schedule(entry.customer, self._policies)
                folded = relearned and self._until_clock(relearned, portion)
            except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
                self._park(visit, error, work)
                continue
            if folded is None:
                anew.append(visit)
            else:
                self._take_over(visit, folded, work)
        async for some in in_chunks(anew):
            await self._fold_anew(some, work)

    async def _due(self, ticking: dict[int, Portion]) -> dict[str, int]:
        wanted = [Due(p, portion.held, portion.until) for p, portion in ticking.items()]
        limit = self._settings.timers_per_batch
        found = await repository.due(self._reader, wanted, limit + 1)
        if len(found) > limit:
            cut = found[limit][1]
            for partition, portion in ticking.items():
                portion.unfinished = partition >= cut
        return dict(found[:limit])

    def _fire(self, entry: Entry, portion: Portion, work: Work) -> None:
        tick = portion.until
        if not entry.parked and _may_fire(entry.customer, portion):
            try:
                folded = pass_time(entry.customer, tick, self._policies)
            except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
                self._park(Visit(portion, entry), error, work)
                return
            before, entry.customer = entry.customer, folded.customer
            work.touched[entry.id] = entry
            if folded.moves:
                work.recorder.lived(entry, before, folded.moves)
                work.recorder.changed(entry, folded.moves, tick, portion)
                metrics.DEADLINES_FIRED.inc(len(folded.moves))
            if folded.hints:
                work.recorder.hinted(entry, folded.hints, tick, portion.import_began)
        work.arm(entry, exactly=True)

    # -- in the transaction ------------------------------------------------------------------------------------------

    async def apply(self, work: Work, tx: Tx) -> None:
        """One statement per table."""
        await repository.add_events(tx, work.events)
        await repository.note_repeated_orders(tx, work.retold)
        if work.merged:
            await repository.begin_merging(tx)
        for partition, first in await repository.relabel(tx, work.relabelled):
            work.recorder.restate(first, work.portions[partition])
        await repository.save_customers(tx, work.customers)
        if work.merged:
            await repository.refuse_cycles(tx, work.merged)
        await repository.add_transitions(tx, work.recorder.rows, work.recorder.withdrawn)
        hints = await repository.add_hints(tx, work.recorder.hints)
        await repository.add_flows(tx, work.recorder.flows)
        await repository.add_tallies(tx, work.recorder.tallied(hints))
        await repository.restate(tx, work.recorder.restated)
        await repository.advance_rearming(tx, work.rearmed)
        await repository.set_timers(tx, work.timers)
        await repository.add_sightings(tx, ACTIVATED, sorted(work.sightings))
        await parked.forget(tx, work.released)
        given = [row.message for row in hints]
        await outbox.add(tx, work.recorder.messages + given + work.onward + work.ticks)
        for rule, count in work.recorder.rules.items():
            metrics.TRANSITIONS.labels(rule).inc(count)
        metrics.CORRECTIONS.inc(
            len({(customer, by) for customer, _, by, _ in work.recorder.withdrawn})
        )


def _same_content(one: Envelope, other: Envelope) -> bool:
    if (one.type, one.time) != (other.type, other.time):
        return False
    try:
        return bytes(one.data) == bytes(other.data) or msgspec.json.decode(
            one.data
        ) == msgspec.json.decode(other.data)
    except msgspec.MsgspecError:
        return False


def _may_fire(customer: Customer, portion: Portion, *, until: datetime | None = None) -> bool:
    """Is the next deadline due, and not one of those that an open import holds back?"""
    at = customer.wakes_at
    return at is not None and at <= (until or portion.until) and portion.held < at


def _forward(portion: Portion) -> Message:
    tick = portion.until
    event = Envelope(id=f"tick-{tick.isoformat()}", source=SOURCE, type=CLOCK_TICKED, time=tick)
    return Message(portion.partition, PHASE_TRANSITIONS, None, envelope.encode(event))
