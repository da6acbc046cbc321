"""Finds the orders of one customer: by id, by store, and by time of purchase."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias

from shared.orders.changes import NoEffect
from shared.orders.facts import OrderAction, OrderFact
from shared.orders.order import Order, OrderKey

_DAY: Final = timedelta(days=1)
_UPDATED: Final = OrderAction.UPDATED

_Place: TypeAlias = tuple[datetime, OrderKey]
"""Where an order stands among the orders: by its time of purchase."""


class OrdersIncompleteError(Exception):
    """The recent orders do not tell what an event means: fold the whole life instead."""


class OrderIndex:
    """Orders by id and by time of purchase; beside them there may be `older` ones."""

    def __init__(self, orders: Iterable[Order] = (), *, older: bool = False) -> None:
        self.has_older: Final = older
        self._orders: dict[OrderKey, Order] = {}
        self._by_id: dict[str, list[OrderKey]] = {}
        self._places: list[_Place] = []
        for order in orders:
            self._orders[order.key] = order
            self._by_id.setdefault(order.id, []).append(order.key)
            self._places.append((order.at, order.key))

    def __iter__(self) -> Iterator[Order]:
        """Iterate over the orders by their times of purchase."""
        return (self._orders[key] for _, key in self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: OrderKey) -> bool:
        return key in self._orders

    def __getitem__(self, key: OrderKey) -> Order:
        return self._orders[key]

    def add(self, order: Order) -> None:
        """Add an order that was not known."""
        key = order.key
        place = order.at, key
        places = self._places
        self._orders[key] = order
        self._by_id.setdefault(order.id, []).append(key)
        if not places or places[-1] < place:
            places.append(place)
        else:
            insort(places, place)

    def replace(self, order: Order) -> None:
        """Put an order in the place of what it was before."""
        key = order.key
        before = self._orders[key]
        self._orders[key] = order
        if order.at != before.at:
            self._places.remove((before.at, key))
            insort(self._places, (order.at, key))

    def with_id(self, id: str) -> list[Order]:
        """Return the orders with an id; there may be one in each store."""
        return [self._orders[key] for key in self._by_id.get(id, ())]

    @property
    def shares_ids(self) -> bool:
        """Do several orders have one id?"""
        return len(self._by_id) < len(self._orders)

    def find(self, fact: OrderFact) -> OrderKey | NoEffect:
        """Return the order that an event means, which does not complete it.

        With a store it is that store's. A refund, its withdrawal or a cancellation without one
        means the order of its own source and original customer, else of its source, else of its
        original customer, else the only order with this id.
        """
        store = fact.details.store
        if store is not None or fact.action is _UPDATED:
            key = store or fact.source, fact.details.order_id
            return key if key in self._orders else NoEffect.ORDER_UNKNOWN
        orders = self.with_id(fact.details.order_id)
        own_source = [order for order in orders if (order.source or order.store) == fact.source]
        own_origin = [order for order in orders if order.origin == fact.origin]
        both = [order for order in own_source if order.origin == fact.origin]
        for candidates in (both, own_source, own_origin, orders):
            if len(candidates) == 1:
                return candidates[0].key
            if candidates:
                return NoEffect.ORDER_AMBIGUOUS
        return NoEffect.ORDER_UNKNOWN

    def recent(self, most: int, since: datetime | None = None) -> list[Order]:
        """Return the `most` last orders, and all of those bought after `since`.

        By their times of purchase, the earliest first.
        """
        places = self._places
        first = max(len(places) - most, 0)
        if since is not None:
            first = min(first, bisect_right(places, since, key=_time_of))
        return [self._orders[key] for _, key in places[first:]]

    def first_standing(self) -> Order | None:
        """Return the first purchase that stands. Raises OrdersIncompleteError."""
        if self.has_older:
            raise OrdersIncompleteError
        return _first_standing(self)

    def last_standing(self) -> Order | None:
        """Return the last purchase that stands. Raises OrdersIncompleteError."""
        last = _first_standing(self._orders[key] for _, key in reversed(self._places))
        if last is None and self.has_older:
            raise OrdersIncompleteError
        return last

    def standing_on(self, day: date) -> int:
        """Count the purchases of a UTC day that stand. Raises OrdersIncompleteError."""
        places = self._places
        if self.has_older and not (places and places[0][0].date() < day):
            raise OrdersIncompleteError
        first = bisect_left(places, day, key=_day_of)
        last = bisect_left(places, day + _DAY, key=_day_of)
        return sum([self._orders[key].stands for _, key in places[first:last]])

    def standing_since(self, instant: datetime) -> int:
        """Count the purchases from an instant on that stand. Raises OrdersIncompleteError."""
        places = self._places
        if self.has_older and not (places and places[0][0] < instant):
            raise OrdersIncompleteError
        first = bisect_left(places, instant, key=_time_of)
        return sum([self._orders[key].stands for _, key in places[first:]])


def _first_standing(orders: Iterable[Order]) -> Order | None:
    return next((order for order in orders if order.stands), None)


def _time_of(place: _Place) -> datetime:
    return place[0]


def _day_of(place: _Place) -> date:
    return place[0].date()
