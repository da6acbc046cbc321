"""A person's orders, as far as referral asks: which was first, and how much of it went back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.referral.domain.rewards import Return
from shared.orders.book import OrderBook
from shared.orders.facts import OrderAction, OrderFact
from shared.orders.order import Order, OrderKey


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """An event about an order, and the days in which it may be returned, if it says so."""

    fact: OrderFact
    return_window_days: int | None = None


@dataclass(slots=True)
class Purchase:
    """An order after everything known of it.

    `returns` say from its purchase on, after each event that changed it, how much had gone back.
    """

    order: Order
    return_window_days: int | None = None
    returns: list[Return] = field(default_factory=list)

    @property
    def key(self) -> tuple[datetime, OrderKey]:
        return self.order.at, self.order.key

    def take(self, event: OrderEvent, after: Order) -> None:
        """Note what an event has made of the order; a purchase made anew begins anew."""
        if after.at != self.order.at:
            self.returns.clear()
        if event.fact.action is OrderAction.COMPLETED and event.return_window_days is not None:
            self.return_window_days = event.return_window_days
        self.order = after
        self._note_return(event.fact, after)

    def _note_return(self, fact: OrderFact, order: Order) -> None:
        total = order.total or 1
        gone = total if order.is_undone else min(order.refunded, total)
        before = self.returns[-1] if self.returns else Return(fact.time, "", "", 0, 1)
        if gone * before.total != before.gone * total:
            self.returns.append(Return(fact.time, fact.source, fact.id, gone, total))


def purchases(events: Iterable[OrderEvent]) -> list[Purchase]:
    """The purchases of a person by time, from all events of all its ids; also those undone."""
    book = OrderBook()
    found: dict[OrderKey, Purchase] = {}
    for event in _in_order(events):
        after = book.apply(event.fact).after
        if after is not None:
            found.setdefault(after.key, Purchase(after)).take(event, after)
    bought = [purchase for purchase in found.values() if purchase.order.is_purchase]
    return sorted(bought, key=lambda purchase: purchase.key)


def _in_order(events: Iterable[OrderEvent]) -> list[OrderEvent]:
    return sorted(events, key=lambda each: each.fact.key)


def first_standing(bought: Iterable[Purchase]) -> Purchase | None:
    """The first purchase that stands: the one that decides who is new."""
    return next((purchase for purchase in bought if purchase.order.stands), None)


def standing_since(events: Iterable[OrderEvent]) -> datetime | None:
    """Since when the first purchase that stands has been that, with its present total.

    If none stands, since when none does; None if none ever did.
    """
    book = OrderBook()
    standing: dict[OrderKey, Order] = {}
    first: Order | None = None
    since: datetime | None = None
    for event in _in_order(events):
        after = book.apply(event.fact).after
        if after is None:
            continue
        if after.is_purchase and after.stands:
            standing[after.key] = after
        else:
            standing.pop(after.key, None)
        now = _first_of(standing, first, after)
        if _deciding(now) != _deciding(first):
            since = event.fact.time
        first = now
    return since


def _first_of(
    standing: Mapping[OrderKey, Order], first: Order | None, changed: Order
) -> Order | None:
    """The first order that stands after one has changed, of which `first` was the first."""
    if first and changed.key != first.key and (first.at, first.key) < (changed.at, changed.key):
        return first
    return min(standing.values(), key=lambda order: (order.at, order.key), default=None)


def _deciding(order: Order | None) -> tuple[OrderKey, datetime, int, str] | None:
    """What verdicts look at."""
    return (order.key, order.at, order.total, order.currency) if order else None
