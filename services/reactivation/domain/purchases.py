"""The purchases that may end a case or use a code: those that stand, event by event."""

from collections.abc import Collection, Iterable
from datetime import datetime
from operator import attrgetter
from typing import Final

from services.reactivation.domain.history import OrderEvent
from shared.bounds import LAST_INSTANT
from shared.orders.book import OrderBook
from shared.orders.facts import OrderAction, OrderFact
from shared.orders.order import Order, OrderKey

_ENDS: Final = frozenset({OrderAction.CANCELLED, OrderAction.REFUNDED})


class Purchases:
    """The orders of one customer, of which those bought from `since` on matter.

    `confirmed` are the ids of orders for which the shop has used a code: they matter in any case.
    """

    def __init__(
        self, since: datetime | None, confirmed: Collection[str], *, free_counts: bool
    ) -> None:
        self._since: Final = since
        self._confirmed: Final = confirmed
        self._free_counts: Final = free_counts
        self._book: Final = OrderBook()
        self._orders: dict[OrderKey, Order] = {}
        self._codes: dict[OrderKey, frozenset[str]] = {}
        self._undone_at: dict[str, datetime] = {}
        self._ever_undone = set[str]()

    def may_undo(self, event: OrderEvent) -> bool:
        """Whether the event may change an order that matters, and not only place it."""
        order_id = event.fact.details.order_id
        return order_id in self._confirmed or any(key[1] == order_id for key in self._orders)

    def apply(self, event: OrderEvent, until: datetime) -> None:
        """Apply the next event; orders bought from `until` on do not matter yet."""
        order_id = event.fact.details.order_id
        order = self._book.apply(event.fact, free_counts=self._free_counts).after
        if order is not None and event.codes:
            codes = self._codes.get(order.key, frozenset())
            self._codes[order.key] = codes.union(event.codes)
        for each in self._book.orders.with_id(order_id):
            if each.key in self._orders or self._matters(each, until):
                self._orders[each.key] = each
        if order_id in self._confirmed:
            self._note_confirmed(event.fact)

    def standing(self) -> list[Order]:
        """The purchases that matter and stand, in the order of their times."""
        standing = [order for order in self._orders.values() if order.stands]
        return sorted(standing, key=attrgetter("at", "key"))

    def bought_after(self, instant: datetime) -> bool:
        """Whether a purchase that stands was made after an instant."""
        return any(order.stands for order in self._book.orders.recent(0, instant))

    def has_code(self, order: Order, code: str) -> bool:
        """Whether the order came with the code."""
        return code in self._codes.get(order.key, ())

    def undone_at(self, order_id: str) -> datetime | None:
        """When an order for which a code was used was undone, or given up before it was placed.

        None if it stands, or is not known; the end of time if it is no purchase at all.
        """
        return self._undone_at.get(order_id)

    def bought_at(self, order_id: str, confirmed_at: datetime) -> datetime:
        """When a confirmed order was bought: at its confirmation, or when its event says.

        The event counts if it is earlier, or if the order was undone and stands again since.
        """
        orders = self._book.orders.with_id(order_id)
        bought = min((order.at for order in orders if order.stands), default=confirmed_at)
        return bought if order_id in self._ever_undone else min(bought, confirmed_at)

    def _matters(self, order: Order, until: datetime) -> bool:
        return self._since is not None and self._since <= order.at < until

    def _note_confirmed(self, fact: OrderFact) -> None:
        """Note whether an order for which a code was used stands after an event about it."""
        order_id = fact.details.order_id
        orders = self._book.orders.with_id(order_id)
        if not orders and fact.action not in _ENDS:
            return
        if any(order.stands for order in orders):
            self._undone_at.pop(order_id, None)
            return
        is_purchase = not orders or any(order.is_purchase for order in orders)
        self._undone_at.setdefault(order_id, fact.time if is_purchase else LAST_INSTANT)
        self._ever_undone.add(order_id)


def in_order(events: Iterable[OrderEvent]) -> list[OrderEvent]:
    """The events by their places in the customer's life."""
    return sorted(events, key=lambda event: event.fact.key)
