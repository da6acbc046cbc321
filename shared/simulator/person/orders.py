"""One order and what follows: delay, cancellation, changes, return, use and feedback."""

from typing import Final

from shared.simulator.person import feedback, order_changes
from shared.simulator.person.life import Life, PlacedOrder
from shared.simulator.person.order_changes import amounts
from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY, HOUR

_PAYMENTS: Final = (("invoice", 0.3), ("paypal", 0.35), ("card", 0.2), ("direct_debit", 0.15))
_SHELVES: Final = ("tea", "coffee", "chocolate", "cups", "filters", "syrup", "honey", "biscuits")


def order(life: Life, t: int, *, coupon: str | None = None) -> bool:
    """Order at `t`; returns whether the customer is disappointed with it."""
    random = life.random
    _browse(life, t)
    made = _place(life, t, coupon)
    life.orders += 1
    is_cancelled = random.chance(parameters.CANCELLED)
    if is_cancelled:
        order_changes.cancel(life, made, made.purchased + random.between(600, 20 * HOUR))
    else:
        order_changes.edit(life, made)
    life.buy(made.purchased, int(made.total * life.person.margin_rate))
    if is_cancelled:
        return False
    delayed = random.chance(parameters.DELAYED)
    if delayed:
        life.write(t + random.between(2, 4) * DAY, "delivery.delayed", f"{made.about}}}")
    returned = random.chance(parameters.REFUNDED)
    if returned:
        _refund(life, made)
    _use(life, t)
    return feedback.after_order(life, t, delayed=delayed) or (returned and random.chance(0.2))


def sku(life: Life) -> str:
    """A random article number."""
    return f"{life.random.pick(_SHELVES)}-{int(life.random.random() * 40)}"


def _browse(life: Life, t: int) -> None:
    if not life.person.guest and life.random.chance(0.5):
        life.write(max(t - 1500, 0), "session.signed_in")
    for _ in range(int(life.random.random() * 2.6)):
        life.write(
            max(t - life.random.between(60, 1400), 0), "page.viewed", f'{{"sku":"{sku(life)}"}}'
        )


def _place(life: Life, t: int, coupon: str | None) -> PlacedOrder:
    """Order for a random total, at least 3 euros; some are only paid at the second attempt."""
    made = PlacedOrder(life.number("o"), t, t, _total(life, coupon))
    data = f"{made.about},{_content(life, made.total, coupon)}}}"
    if life.write(t, "order.completed", data):
        life.placed.append(made)
    order_changes.reinstate(life, made, data)
    return made


def _total(life: Life, coupon: str | None) -> int:
    total = 300 + int(life.person.spend * life.random.erlang(parameters.SPEND_SHAPE))
    return total * 9 // 10 if coupon else total


def _content(life: Life, total: int, coupon: str | None) -> str:
    random = life.random
    items = 1 + int(random.random() ** 2 * 5)
    payment = random.pick_weighted(_PAYMENTS)
    fields = (
        f'{amounts(life, total)},"items":{items},'
        f'"payment_method":"{payment}","return_window_days":{parameters.RETURN_WINDOW_DAYS}'
    )
    return f'{fields},"coupon":"{coupon}"' if coupon else fields


def _refund(life: Life, made: PlacedOrder) -> None:
    is_full = life.random.chance(parameters.WHOLLY_REFUNDED)
    share = 1.0 if is_full else life.random.between(0.2, 0.8)
    amount = max(1, int(made.total * share))
    after = life.random.between(4, parameters.RETURN_WINDOW_DAYS) * DAY
    order_changes.refund(life, made, made.placed + after, amount)


def _use(life: Life, t: int) -> None:
    random = life.random
    product = f'{{"product":"{random.pick(_SHELVES)}"}}'
    if life.orders == 1 and not life.tag and random.chance(parameters.ACTIVATED):
        life.write(t + random.between(2, 13) * DAY, "product.activated", product)
    elif random.chance(parameters.USED):
        life.write(t + random.between(3, 30) * DAY, "product.used", product)
