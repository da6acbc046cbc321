"""The work of one batch: which customers have changed, and the rows and messages to write."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeVar

from services.lifecycle.batch.entry import CustomerEntry, identity_hash
from services.lifecycle.batch.recorder import Recorder
from services.lifecycle.batch.rows import (
    AccountChange,
    CustomerRow,
    EventRow,
    OrderVersionKey,
    OrderVersionRow,
    RearmingPosition,
    RemarkRow,
    RenewedEvent,
    order_version_row,
    stored_type,
)
from services.lifecycle.batch.visit import Visit
from services.lifecycle.domain.fold import Folded
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import Happening
from shared.identities import Merge
from shared.stream.batch import Batch
from shared.stream.log.parked_customers import record_failure
from shared.stream.outgoing.outbox import Message

T = TypeVar("T")


class Circles(NamedTuple):
    """The circle of merges that a customer is in before the batch, and after it; empty if none."""

    before: tuple[Merge, ...]
    after: tuple[Merge, ...]


class Remarks:
    """Which events of the customers of a batch have had no effect, and why."""

    def __init__(self) -> None:
        self.count_by_reason: Counter[str] = Counter()
        self._by_customer: dict[int, dict[int, RemarkRow]] = {}

    @property
    def rows(self) -> list[RemarkRow]:
        """The remarks to store."""
        return [row for rows in self._by_customer.values() for row in rows.values()]

    def forget(self, entry: CustomerEntry) -> None:
        """Forget what was remarked on a customer, who is folded anew."""
        self._by_customer.pop(entry.key, None)

    def add(self, entry: CustomerEntry, folded: Folded, arrivals: Collection[int]) -> None:
        """Remark on the events of a customer, as folded.

        Those that have just arrived are counted, too.
        """
        for remark in folded.without_effect:
            fact = remark.fact
            key = identity_hash(fact.source, fact.id, fact.origin or None)
            self._note((entry.key, key, remark.reason, remark.waits), arrivals)
        for reason, (_, _, source, id) in folded.merges_without_effect:
            key = identity_hash(source, id, None)
            self._note((entry.key, key, reason, False), arrivals)

    def _note(self, row: RemarkRow, arrivals: Collection[int]) -> None:
        customer_key, key, reason, _ = row
        self._by_customer.setdefault(customer_key, {})[key] = row
        if key in arrivals:
            self.count_by_reason[reason] += 1


@dataclass(slots=True)
class Work:
    """The policies that judge one batch, and everything that it writes.

    - `touched` are the entries that have changed. `finish` copies them to `customers`, because
      the next batch changes the entries again.
    - `refolded` are the keys of customers folded anew: their `order_versions` and `remarks`
      replace those before.
    - `timers` has partition and instant by customer; None disarms the timer.
    - `circles` are those of the customers whose merges change.
    - `accounts_before` has the kind of account before the batch, by customer, where transitions
      are stored.
    """

    batch: Batch
    policies: Schedule
    recorder: Recorder
    touched: dict[str, CustomerEntry] = field(default_factory=dict)
    customers: list[CustomerRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    timers: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    newly_parked: int = 0
    rearming: dict[int, RearmingPosition] = field(default_factory=dict)
    accounts_before: dict[str, str | None] = field(default_factory=dict)
    account_changes: list[AccountChange] = field(default_factory=list)
    refolded: set[int] = field(default_factory=set)
    order_versions: dict[OrderVersionKey, OrderVersionRow] = field(default_factory=dict)
    remarks: Remarks = field(default_factory=Remarks)
    circles: dict[str, Circles] = field(default_factory=dict)
    forwarded: list[Message] = field(default_factory=list)
    removed_events: list[tuple[int, int]] = field(default_factory=list)
    renewed_events: list[RenewedEvent] = field(default_factory=list)
    ticks: list[Message] = field(default_factory=list)

    def fold_each(
        self, visits: Iterable[Visit], fold: Callable[[Visit], T]
    ) -> Iterator[tuple[Visit, T]]:
        """Fold customers one by one; park and leave out those whose fold fails.

        A bug in a rule must stop neither the worker nor the other customers, and so must data
        that the database has refused.
        """
        refused = self.batch.refused
        for visit in visits:
            if refused and visit.entry.id in refused:
                self._park(visit, refused[visit.entry.id])
                continue
            try:
                folded = fold(visit)
            except Exception as error:  # noqa: BLE001  (logged, counted and kept as the reason)
                self._park(visit, record_failure(error, partition=visit.entry.partition))
            else:
                yield visit, folded

    def accept(self, visit: Visit, customer: Customer) -> None:
        """Take the state that was folded with the new events of a visit, and store these events."""
        entry = visit.entry
        before = entry.customer
        if customer.account != before.account and entry.version:
            self.accounts_before.setdefault(entry.id, before.account)
        entry.customer = customer
        self._add_events(visit)
        if visit.released:
            entry.parked = None
            self.released.append(entry.id)
        self.touched[entry.id] = entry
        self.arm(entry, exactly=visit.portion.import_open or visit.released)

    def note_orders(self, visit: Visit, folded: Folded) -> None:
        """Keep what changed orders were and are, and which events have had no effect.

        Of the versions of an order at one instant the last holds.
        """
        entry = visit.entry
        for at, order in folded.order_versions:
            row = order_version_row(entry.key, at, order)
            self.order_versions[row[:4]] = row
        self.remarks.add(entry, folded, visit.arrivals)

    def arm(self, entry: CustomerEntry, *, exactly: bool) -> None:
        """Keep the timer no later than the earliest deadline.

        The timer moves to a later instant only if it is set `exactly`, as after it has gone off:
        so a customer who buys often costs one timer for each silence, not one for each order.
        """
        due = None if entry.parked else entry.customer.wakes_at
        if due is None:
            if exactly and entry.armed is not None:
                self._set_timer(entry, None)
        elif entry.armed is None or due < entry.armed or (exactly and due != entry.armed):
            self._set_timer(entry, due)

    def finish(self) -> None:
        """Make the rows of the customers, once nothing in this batch changes them any more."""
        self.customers = [
            CustomerRow.of(self.touched[customer]) for customer in sorted(self.touched)
        ]
        for customer in sorted(self.accounts_before):
            entry = self.touched[customer]
            before = self.accounts_before[customer]
            after = entry.customer.account
            if after != before:
                change = AccountChange(customer, entry.partition, before or "", after or "")
                self.account_changes.append(change)

    def _add_events(self, visit: Visit) -> None:
        """Add the new events to the rows."""
        entry = visit.entry
        portion = visit.portion
        clock = portion.clock
        day_began = portion.day_began
        events = self.events
        for key, incoming in visit.arrivals.items():
            happening: Happening = incoming.content
            time = happening.time
            order_key = happening.order_key
            if order_key is not None:
                entry.order_keys.add(order_key)
            if time < day_began:
                self.recorder.counts.restate(time, portion)
            amount, currency = happening.amount_and_currency
            type = stored_type(incoming.event.type, happening)
            body = incoming.value
            events.append((entry.key, key, order_key, time, clock, type, amount, currency, body))

    def _park(self, visit: Visit, reason: str) -> None:
        entry = visit.entry
        entry.parked = reason
        self.newly_parked += 1
        for incoming in visit.arrivals.values():
            visit.portion.reject(incoming, "parked", reason, parked=entry.id)
        self.touched[entry.id] = entry
        self.arm(entry, exactly=True)

    def _set_timer(self, entry: CustomerEntry, due: datetime | None) -> None:
        self.timers[entry.id] = entry.partition, due
        entry.armed = due
