"""What becomes of an order: cancelled, paid after all, edited, refunded; as events and as truth."""

from typing import Final

from shared.simulator.person.life import Life, PlacedOrder
from shared.simulator.world.calendar import DAY, HOUR

_MINUTE: Final = 60
_LEAST_TOTAL: Final = 300
_WITHOUT_AMOUNT: Final = 0.5
"""Of whole refunds with an id: those that say "all that is left" by naming no amount."""


def cancel(life: Life, order: PlacedOrder, t: float) -> None:
    """Cancel an order for good."""
    if life.write(t, "order.cancelled", f"{order.about}}}"):
        order.is_cancelled = True


def reinstate(life: Life, order: PlacedOrder, data: str) -> None:
    """Let the shop cancel some orders for want of payment, and complete them when it comes.

    All of it happens within the hour, so that an order stands before the next is placed.
    """
    if not life.whims.chance(life.extras.reinstated):
        return
    cancelled = order.placed + int(life.whims.between(15, 30)) * _MINUTE
    paid = cancelled + int(life.whims.between(1, 25)) * _MINUTE
    cancel(life, order, cancelled)
    if life.write(paid, "order.completed", data):
        order.is_cancelled = False
        order.purchased = paid


def edit(life: Life, order: PlacedOrder) -> None:
    """Change some orders within two days, before anything of them is refunded."""
    whims = life.whims
    if not whims.chance(life.extras.edited):
        return
    total = max(_LEAST_TOTAL, int(order.total * whims.between(0.4, 1.8)))
    items = 1 + int(whims.random() * 6)
    t = order.placed + whims.between(2 * HOUR, 2 * DAY)
    data = f'{order.about},{amounts(life, total)},"items":{items}}}'
    if life.write(t, "order.updated", data):
        order.total = total


def refund(life: Life, order: PlacedOrder, t: float, amount: int) -> None:
    """Refund an amount; with ids, some refunds are sent twice, and some are withdrawn."""
    extras = life.extras
    if not extras.names_refunds:
        _give_back(life, order, t, f'"amount":{euros(amount)}', amount)
        return
    whims = life.whims
    named = f'"refund_id":"{order.order_id}-r1"'
    is_silent = amount == order.total and whims.chance(_WITHOUT_AMOUNT)
    content = named if is_silent else f'{named},"amount":{euros(amount)}'
    _give_back(life, order, t, content, amount)
    if whims.chance(extras.refunds_repeated):
        life.write(t + whims.between(HOUR, DAY), "order.refunded", f"{order.about},{content}}}")
    if whims.chance(extras.refunds_withdrawn):
        withdrawn = t + whims.between(2, 6) * DAY
        if life.write(withdrawn, "order.refund_withdrawn", f"{order.about},{named}}}"):
            order.refunded -= amount


def amounts(life: Life, total: int) -> str:
    """Total and margin of an order, as JSON fields."""
    return f'"total":{euros(total)},"margin":{euros(int(total * life.person.margin_rate))}'


def euros(cents: int) -> str:
    """An amount of money, as JSON."""
    return f'{{"amount":{cents},"currency":"EUR"}}'


def _give_back(life: Life, order: PlacedOrder, t: float, content: str, amount: int) -> None:
    if life.write(t, "order.refunded", f"{order.about},{content}}}"):
        order.refunded += amount
