"""What has become of the orders of one customer: their versions, and events without effect."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Final, NamedTuple

from shared.orders.changes import WAITING, NoEffect
from shared.orders.facts import OrderAction, OrderFact
from shared.orders.order import Order, OrderKey

_WAITS: Final = frozenset({OrderAction.REFUNDED, OrderAction.CANCELLED})


class OrderVersion(NamedTuple):
    """What an order was from an instant on, until its next version.

    Before its first version an order is the one plain purchase that its completion says.
    """

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


class OrderJournal:
    """The versions of orders that are more than one plain purchase, and events without effect.

    A refund or cancellation without its order waits for that.
    """

    __slots__ = ("_final", "_versions", "_waiting")

    def __init__(self) -> None:
        self._versions: dict[OrderKey, list[OrderVersion]] = {}
        self._final: list[WithoutEffect] = []
        self._waiting: dict[str, list[WithoutEffect]] = {}

    @property
    def versions(self) -> Iterator[OrderVersion]:
        """The versions of each order, in their order."""
        return chain.from_iterable(self._versions.values())

    @property
    def without_effect(self) -> Iterator[WithoutEffect]:
        """The events that have changed nothing, and those that still wait."""
        return chain(self._final, *self._waiting.values())

    def begin(self, order: Order) -> None:
        """Add the first version of an order, unless there is one."""
        self._versions.setdefault(order.key, [OrderVersion(order.at, order)])

    def add(self, order: Order, at: datetime) -> None:
        """Add what an order is from now on."""
        self._versions.setdefault(order.key, []).append(OrderVersion(at, order))

    def remark(self, fact: OrderFact, reason: NoEffect) -> None:
        """Note an event that has changed nothing."""
        remark = WithoutEffect(fact, reason)
        if remark.waits:
            self._waiting.setdefault(fact.details.order_id, []).append(remark)
        else:
            self._final.append(remark)

    @property
    def has_waiting(self) -> bool:
        """Does any event wait for its order?"""
        return bool(self._waiting)

    def is_awaited(self, id: str) -> bool:
        """Does an event wait for an order with this id?"""
        return id in self._waiting

    def take_waiting(self, id: str) -> list[OrderFact]:
        """Return what waits for an order with this id, and forget it."""
        return [remark.fact for remark in self._waiting.pop(id, ())]
