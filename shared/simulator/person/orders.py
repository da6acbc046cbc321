"""One order, and all that comes of it: visits before, delay, cancellation, return, use, words."""

from typing import Final

from shared.simulator.person import feedback
from shared.simulator.person.life import Life
from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY, HOUR

_PAYMENTS: Final = (("invoice", 0.3), ("paypal", 0.35), ("card", 0.2), ("direct_debit", 0.15))
_SHELVES: Final = ("tea", "coffee", "chocolate", "cups", "filters", "syrup", "honey", "biscuits")


def order(life: Life, t: int, *, coupon: str | None = None) -> bool:
    """Order at `t`; whether it went wrong in the customer's eyes."""
    luck = life.luck
    _look_around(life, t)
    order_id, total = life.number("o"), _place(life, t, coupon)
    about = f'{{"order_id":"{order_id}"'
    fields = _content(life, total, coupon)
    life.write(t, "order.completed", f"{about},{fields}}}")
    life.orders += 1
    if luck.chance(parameters.CANCELLED):
        life.write(t + luck.between(600, 20 * HOUR), "order.cancelled", f"{about}}}")
        return False
    delayed = luck.chance(parameters.DELAYED)
    if delayed:
        life.write(t + luck.between(2, 4) * DAY, "delivery.delayed", f"{about}}}")
    returned = luck.chance(parameters.REFUNDED)
    if returned:
        _send_back(life, t, about, total)
    _use(life, t)
    return feedback.after_order(life, t, delayed=delayed) or (returned and luck.chance(0.2))


def sku(life: Life) -> str:
    """Something from the shelves."""
    return f"{life.luck.pick(_SHELVES)}-{int(life.luck.random() * 40)}"


def _look_around(life: Life, t: int) -> None:
    if not life.person.guest and life.luck.chance(0.5):
        life.write(max(t - 1500, 0), "session.signed_in")
    for _ in range(int(life.luck.random() * 2.6)):
        life.write(
            max(t - life.luck.between(60, 1400), 0), "page.viewed", f'{{"sku":"{sku(life)}"}}'
        )


def _place(life: Life, t: int, coupon: str | None) -> int:
    """The total in cents, at least 3 euros."""
    total = 300 + int(life.person.spend * life.luck.erlang(parameters.SPEND_SHAPE))
    if coupon:
        total = total * 9 // 10
    life.buy(t, int(total * life.person.margin_rate))
    return total


def _content(life: Life, total: int, coupon: str | None) -> str:
    luck = life.luck
    margin = int(total * life.person.margin_rate)
    fields = (
        f'"total":{_euros(total)},"margin":{_euros(margin)},"items":{1 + int(luck.random() ** 2 * 5)},'
        f'"payment_method":"{luck.weigh(_PAYMENTS)}","return_window_days":{parameters.RETURN_WINDOW_DAYS}'
    )
    return f'{fields},"coupon":"{coupon}"' if coupon else fields


def _send_back(life: Life, t: int, about: str, total: int) -> None:
    whole = life.luck.chance(parameters.WHOLLY_REFUNDED)
    amount = total if whole else max(1, int(total * life.luck.between(0.2, 0.8)))
    after = life.luck.between(4, parameters.RETURN_WINDOW_DAYS) * DAY
    life.write(t + after, "order.refunded", f'{about},"amount":{_euros(amount)}}}')


def _use(life: Life, t: int) -> None:
    luck = life.luck
    product = f'{{"product":"{luck.pick(_SHELVES)}"}}'
    if life.orders == 1 and not life.tag and luck.chance(parameters.ACTIVATED):
        life.write(t + luck.between(2, 13) * DAY, "product.activated", product)
    elif luck.chance(parameters.USED):
        life.write(t + luck.between(3, 30) * DAY, "product.used", product)


def _euros(cents: int) -> str:
    return f'{{"amount":{cents},"currency":"EUR"}}'
