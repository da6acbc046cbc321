"""The orders of one customer: each event about an order changes the order that it means."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zlib import crc32

from msgspec.structs import replace

from shared.orders.changes import WAITING, NoEffect, OrderChange, change, place
from shared.orders.facts import OrderAction, OrderFact
from shared.orders.index import OrderIndex, OrdersIncompleteError
from shared.orders.order import Order, OrderKey

_COMPLETED: Final = OrderAction.COMPLETED
_UPDATED: Final = OrderAction.UPDATED
_WAITS: Final = frozenset({OrderAction.REFUNDED, OrderAction.CANCELLED})


class OrderVersion(NamedTuple):
    """What an order was from an instant on, until its next version."""

    at: datetime
    order: Order


class WithoutEffect(NamedTuple):
    """An event that has changed nothing visible, and why."""

    fact: OrderFact
    reason: NoEffect

    @property
    def waits(self) -> bool:
        """Does it count as soon as its order is known?"""
        return self.fact.action in _WAITS and self.reason in WAITING


def order_hash(order_id: str) -> int:
    """Return a short hash of an order id: different hashes are different ids, not the reverse."""
    return crc32(order_id.encode())


class OrderBook:
    """All orders of a customer, or only the recent ones, and the events that wait for an order.

    Events are applied in the order of their keys. A book of `recent` orders may have `older`
    orders beside it, and earlier events have `named` the hashes of their ids. Where these could
    matter it raises OrdersIncompleteError, and must then be thrown away.
    """

    def __init__(
        self, recent: Iterable[Order] = (), *, older: bool = False, named: Collection[int] = ()
    ) -> None:
        self.orders: Final = OrderIndex(recent, older=older)
        self._named_before: Final = named
        self._named: set[int] = set()
        self._waiting: dict[str, list[WithoutEffect]] = {}
        self._versions: dict[OrderKey, list[OrderVersion]] = {}
        self._without_effect: list[WithoutEffect] = []
        self.applied_at: datetime | None = None
        """The time of the last event that was applied."""

    @property
    def without_effect(self) -> list[WithoutEffect]:
        """The events that have changed nothing, and those that still wait for their order."""
        waiting = [waits for facts in self._waiting.values() for waits in facts]
        return [*self._without_effect, *waiting]

    def apply(self, fact: OrderFact, *, free_counts: bool = True) -> OrderChange:
        """Apply an event that is not earlier than those before it.

        `free_counts` says whether an order of 0 is a purchase.
        """
        self.applied_at = fact.time
        if self._named_before:
            self._refuse_uncertain(fact)
        if fact.action is _COMPLETED:
            key = fact.details.store or fact.source, fact.details.order_id
            if key not in self.orders:
                return self._place(fact, free_counts=free_counts)
            return self._change(self.orders[key], fact, free_counts=free_counts)
        found = self.orders.find(fact)
        if isinstance(found, NoEffect):
            self._note_unfound(fact, found)
            return OrderChange(None, None, found)
        return self._change(self.orders[found], fact, free_counts=free_counts)

    def recent(self, most: int, since: datetime | None = None) -> tuple[Order, ...]:
        """Return the last orders as a later book needs them; see OrderIndex.recent."""
        return tuple([self._marked(order) for order in self.orders.recent(most, since)])

    def versions(self) -> list[OrderVersion]:
        """Return every version of each order that is more than one plain purchase."""
        return [
            version
            for key, versions in self._versions.items()
            if not (_is_plain(versions) and self._is_alone(self.orders[key]))
            for version in versions
        ]

    def _place(self, fact: OrderFact, *, free_counts: bool) -> OrderChange:
        """Add an order, and apply the refunds and cancellations that have waited for it."""
        order = place(fact, free_counts=free_counts)
        key = order.key
        self.orders.add(order)
        for waits in self._waiting.pop(order.id, ()):
            found = self.orders.find(waits.fact)
            if isinstance(found, NoEffect):
                self._note_unfound(waits.fact, found)
            else:
                self._take(self.orders[found], waits.fact, free_counts=free_counts)
        order = self.orders[key]
        self._versions[key] = [OrderVersion(fact.time, order)]
        return OrderChange(None, order)

    def _change(self, before: Order, fact: OrderFact, *, free_counts: bool) -> OrderChange:
        changed = self._take(before, fact, free_counts=free_counts)
        after = changed.after
        if after is not None and after is not before:
            self._add_version(before, after, fact.time)
        elif fact.action is _COMPLETED and not before.is_changed:
            told_again = replace(before, is_changed=True)
            self.orders.replace(told_again)
            self._add_version(before, told_again, fact.time)
        return changed

    def _add_version(self, before: Order, after: Order, at: datetime) -> None:
        versions = self._versions.setdefault(after.key, [])
        if not (versions or before.is_changed):
            versions.append(OrderVersion(before.at, before))
        versions.append(OrderVersion(at, after))

    def _take(self, order: Order, fact: OrderFact, *, free_counts: bool) -> OrderChange:
        changed = change(order, fact, free_counts=free_counts)
        if changed.no_effect is not None:
            self._without_effect.append(WithoutEffect(fact, changed.no_effect))
        if changed.after is not None and changed.after is not order:
            self.orders.replace(changed.after)
        return changed

    def _note_unfound(self, fact: OrderFact, reason: NoEffect) -> None:
        """Let refunds and cancellations wait for their order."""
        noted = WithoutEffect(fact, reason)
        if noted.waits:
            self._waiting.setdefault(fact.details.order_id, []).append(noted)
        else:
            self._without_effect.append(noted)

    def _refuse_uncertain(self, fact: OrderFact) -> None:
        """Raise OrdersIncompleteError if an order that is not recent could be meant."""
        details = fact.details
        orders = self.orders.with_id(details.order_id)
        if not orders:
            named = order_hash(details.order_id)
            if named in self._named_before or named in self._named:
                raise OrdersIncompleteError
            self._named.add(named)
            return
        store = details.store
        if store is None and fact.action in (_COMPLETED, _UPDATED):
            store = fact.source
        if len(orders) > 1 or not orders[0].is_alone or store not in (None, orders[0].store):
            raise OrdersIncompleteError

    def _marked(self, order: Order) -> Order:
        """Return an order with the mark whether it is alone with its id."""
        is_alone = self._is_alone(order)
        return order if is_alone is order.is_alone else replace(order, is_alone=is_alone)

    def _is_alone(self, order: Order) -> bool:
        id = order.id
        is_only = len(self.orders.with_id(id)) == 1 and id not in self._waiting
        return is_only and order.is_alone


def _is_plain(versions: Sequence[OrderVersion]) -> bool:
    """Is this one purchase that nothing has changed?"""
    first = versions[0].order
    return len(versions) == 1 and first.is_purchase and not first.is_changed
