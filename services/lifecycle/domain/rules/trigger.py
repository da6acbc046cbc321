"""What sets a rule off: an event, or the passing of a deadline."""

from datetime import datetime

import msgspec

from services.lifecycle.domain.state.happenings import EventKind, Happening
from shared.orders.book import OrderBook


class Trigger(msgspec.Struct, frozen=True, gc=False):
    """An event, or a passed deadline (without a `happening`), with its effect already applied.

    `kind` is what it means to this customer; `new_causes` are the causes of being at risk
    that it brings. `bought_at` is the time of the purchase, of an order that is completed or
    stands again. `orders` are those of the events before, with the effect.
    """

    kind: EventKind
    new_causes: frozenset[str]
    happening: Happening | None = None
    bought_at: datetime | None = None
    orders: OrderBook | None = None
