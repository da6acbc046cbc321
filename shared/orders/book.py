"""The orders of one customer: each event about an order changes the order that it means."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from zlib import crc32

from msgspec.structs import replace

from shared.orders.changes import NoEffect, OrderChange, change, place
from shared.orders.facts import OrderAction, OrderFact
from shared.orders.index import OrderIndex, OrdersIncompleteError
from shared.orders.journal import OrderJournal, OrderVersion, WithoutEffect
from shared.orders.order import Order

_COMPLETED: Final = OrderAction.COMPLETED
_UPDATED: Final = OrderAction.UPDATED
_BY_SOURCE: Final = (_COMPLETED, _UPDATED)
"""Events that name no store mean an order of the store that their source is."""
_FEW: Final = 8
"""So many orders are looked through faster than they are indexed."""


def order_hash(order_id: str) -> int:
    """Return a short hash of an order id: different hashes are different ids, not the reverse."""
    return crc32(order_id.encode())


class OrderBook:
    """All orders of a customer, or only the recent ones, and the events that wait for an order.

    Events are applied in the order of their keys. A book of `recent` orders may have `older`
    orders beside it, and earlier events have `named` the hashes of their ids. Where these could
    matter it raises OrdersIncompleteError, and must then be thrown away.

    Most books see nothing but first orders: what these do not need is made when it is asked for.
    """

    __slots__ = (
        "_has_older",
        "_index",
        "_listed",
        "_named",
        "_named_before",
        "_notes",
        "applied_at",
    )

    def __init__(
        self, recent: Sequence[Order] = (), *, older: bool = False, named: Collection[int] = ()
    ) -> None:
        self.applied_at: datetime | None = None
        """The time of the last event that was applied."""
        self._listed: Final = list(recent)
        self._has_older: Final = older
        self._named_before: Final = named
        self._named: set[int] = set()
        self._index: OrderIndex | None = None
        self._notes: OrderJournal | None = None

    @property
    def orders(self) -> OrderIndex:
        """All orders of the book; they are indexed when they are first asked for."""
        if self._index is None:
            self._index = OrderIndex(self._listed, older=self._has_older)
        return self._index

    @property
    def versions(self) -> list[OrderVersion]:
        """Every version of each order that is more than one plain purchase."""
        return list(self._notes.versions) if self._notes else []

    @property
    def without_effect(self) -> list[WithoutEffect]:
        """The events that have changed nothing, and those that still wait for their order."""
        return list(self._notes.without_effect) if self._notes else []

    @property
    def _journal(self) -> OrderJournal:
        if self._notes is None:
            self._notes = OrderJournal()
        return self._notes

    def apply(self, fact: OrderFact, *, free_counts: bool = True) -> OrderChange:
        """Apply an event that is not earlier than those before it.

        `free_counts` says whether an order of 0 is a purchase.
        """
        self.applied_at = fact.time
        if self._index is None:
            if fact.action is _COMPLETED and self._names_first(fact):
                return self._place_first(fact, free_counts=free_counts)
            order = _find_listed(self._listed, fact)
            if order is not None:
                return self._change(order, fact, free_counts=free_counts)
        if self._named_before:
            self._refuse_uncertain(fact)
        if fact.action is _COMPLETED:
            key = fact.details.store or fact.source, fact.details.order_id
            if key not in self.orders:
                return self._place(fact, free_counts=free_counts)
            return self._change(self.orders[key], fact, free_counts=free_counts)
        found = self.orders.find(fact)
        if isinstance(found, NoEffect):
            self._journal.remark(fact, found)
            return OrderChange(None, None, found)
        return self._change(self.orders[found], fact, free_counts=free_counts)

    def recent(self, most: int, since: datetime | None = None) -> tuple[Order, ...]:
        """Return the last orders as a later book needs them; see OrderIndex.recent."""
        if self._index is None and since is None:
            return tuple(self._listed[-most:])
        orders = self.orders.recent(most, since)
        if not (self.orders.shares_ids or self._journal.has_waiting):
            return tuple(orders)
        return tuple([_marked(order, self.orders, self._journal) for order in orders])

    def has_more_than(self, number: int) -> bool:
        """Does the customer have more orders than this?"""
        if self._has_older:
            return True
        if self._index is None:
            return len(self._listed) > number
        return len(self._index) > number

    def _names_first(self, fact: OrderFact) -> bool:
        """Is it the first event that names this order, and later than every order so far?

        If it is, the name is noted.
        """
        listed = self._listed
        if listed and listed[-1].at >= fact.time:
            return False
        named = order_hash(fact.details.order_id)
        if named in self._named_before or named in self._named:
            return False
        self._named.add(named)
        return True

    def _place_first(self, fact: OrderFact, *, free_counts: bool) -> OrderChange:
        """Add an order of which nothing else is known, which needs no index."""
        order = place(fact, free_counts=free_counts)
        self._listed.append(order)
        if not order.is_purchase:
            self._journal.begin(order)
        return OrderChange(None, order)

    def _place(self, fact: OrderFact, *, free_counts: bool) -> OrderChange:
        """Add an order, and apply the refunds and cancellations that have waited for it."""
        order = place(fact, free_counts=free_counts)
        self.orders.add(order)
        for waiting in self._journal.take_waiting(order.id):
            found = self.orders.find(waiting)
            if isinstance(found, NoEffect):
                self._journal.remark(waiting, found)
            else:
                self._take(self.orders[found], waiting, free_counts=free_counts)
        order = self.orders[order.key]
        same_id = self.orders.with_id(order.id)
        if not order.is_purchase or order.is_changed or len(same_id) > 1:
            for other in same_id:
                self._journal.begin(other)
        return OrderChange(None, order)

    def _change(self, before: Order, fact: OrderFact, *, free_counts: bool) -> OrderChange:
        """Apply an event to a placed order, and note its new version."""
        changed = self._take(before, fact, free_counts=free_counts)
        after = changed.after
        if after is not None and after is not before:
            self._journal.add(after, fact.time)
        elif fact.action is _COMPLETED and not before.is_changed:
            told_again = replace(before, is_changed=True)
            self._put(before, told_again)
            self._journal.add(told_again, fact.time)
        return changed

    def _take(self, order: Order, fact: OrderFact, *, free_counts: bool) -> OrderChange:
        """Apply an event to an order without noting a version."""
        changed = change(order, fact, free_counts=free_counts)
        if changed.no_effect is not None:
            self._journal.remark(fact, changed.no_effect)
        if changed.after is not None and changed.after is not order:
            self._put(order, changed.after)
        return changed

    def _put(self, before: Order, after: Order) -> None:
        """Put an order in the place of what it was before."""
        if self._index is None and before.at == after.at:
            self._listed[self._listed.index(before)] = after
        else:
            self.orders.replace(after)

    def _refuse_uncertain(self, fact: OrderFact) -> None:
        """Raise OrdersIncompleteError if an order that is not recent could be meant.

        A name that is new is noted.
        """
        details = fact.details
        orders = self.orders.with_id(details.order_id)
        if not orders:
            named = order_hash(details.order_id)
            if named in self._named_before or named in self._named:
                raise OrdersIncompleteError
            self._named.add(named)
            return
        if not _is_sole(orders, fact):
            raise OrdersIncompleteError


def _marked(order: Order, orders: OrderIndex, journal: OrderJournal) -> Order:
    """Return an order with the mark whether it is alone with its id."""
    is_alone = (
        order.is_alone and len(orders.with_id(order.id)) == 1 and not journal.is_awaited(order.id)
    )
    return order if is_alone is order.is_alone else replace(order, is_alone=is_alone)


def _find_listed(orders: Sequence[Order], fact: OrderFact) -> Order | None:
    """Return the order that an event means beyond doubt, if that is found without an index."""
    if len(orders) > _FEW:
        return None
    id = fact.details.order_id
    found = [order for order in orders if order.id == id]
    return found[0] if _is_sole(found, fact) else None


def _is_sole(orders: Sequence[Order], fact: OrderFact) -> bool:
    """Is this one order, and the only one that an event with its id can mean?"""
    if len(orders) != 1 or not orders[0].is_alone:
        return False
    store = fact.details.store
    if store is None and fact.action in _BY_SOURCE:
        store = fact.source
    return store is None or store == orders[0].store
