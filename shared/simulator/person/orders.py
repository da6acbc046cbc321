"""One order and what follows: delay, cancellation, return, use and feedback."""

from typing import Final

from shared.simulator.person import feedback
from shared.simulator.person.life import Life
from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY, HOUR

_PAYMENTS: Final = (("invoice", 0.3), ("paypal", 0.35), ("card", 0.2), ("direct_debit", 0.15))
_SHELVES: Final = ("tea", "coffee", "chocolate", "cups", "filters", "syrup", "honey", "biscuits")


def order(life: Life, t: int, *, coupon: str | None = None) -> bool:
    """Order at `t`; returns whether the customer is disappointed with it."""
    random = life.random
    _browse(life, t)
    order_id = life.number("o")
    total = _place(life, t, coupon)
    about = f'{{"order_id":"{order_id}"'
    fields = _content(life, total, coupon)
    life.write(t, "order.completed", f"{about},{fields}}}")
    life.orders += 1
    if random.chance(parameters.CANCELLED):
        life.write(t + random.between(600, 20 * HOUR), "order.cancelled", f"{about}}}")
        return False
    delayed = random.chance(parameters.DELAYED)
    if delayed:
        life.write(t + random.between(2, 4) * DAY, "delivery.delayed", f"{about}}}")
    returned = random.chance(parameters.REFUNDED)
    if returned:
        _refund(life, t, about, total)
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


def _place(life: Life, t: int, coupon: str | None) -> int:
    """Buy for a random total, at least 3 euros; returns it in cents."""
    total = 300 + int(life.person.spend * life.random.erlang(parameters.SPEND_SHAPE))
    if coupon:
        total = total * 9 // 10
    life.buy(t, int(total * life.person.margin_rate))
    return total


def _content(life: Life, total: int, coupon: str | None) -> str:
    random = life.random
    margin = int(total * life.person.margin_rate)
    items = 1 + int(random.random() ** 2 * 5)
    payment = random.pick_weighted(_PAYMENTS)
    fields = (
        f'"total":{_euros(total)},"margin":{_euros(margin)},"items":{items},'
        f'"payment_method":"{payment}","return_window_days":{parameters.RETURN_WINDOW_DAYS}'
    )
    return f'{fields},"coupon":"{coupon}"' if coupon else fields


def _refund(life: Life, t: int, about: str, total: int) -> None:
    is_full = life.random.chance(parameters.WHOLLY_REFUNDED)
    amount = total if is_full else max(1, int(total * life.random.between(0.2, 0.8)))
    after = life.random.between(4, parameters.RETURN_WINDOW_DAYS) * DAY
    life.write(t + after, "order.refunded", f'{about},"amount":{_euros(amount)}}}')


def _use(life: Life, t: int) -> None:
    random = life.random
    product = f'{{"product":"{random.pick(_SHELVES)}"}}'
    if life.orders == 1 and not life.tag and random.chance(parameters.ACTIVATED):
        life.write(t + random.between(2, 13) * DAY, "product.activated", product)
    elif random.chance(parameters.USED):
        life.write(t + random.between(3, 30) * DAY, "product.used", product)


def _euros(cents: int) -> str:
    return f'{{"amount":{cents},"currency":"EUR"}}'
