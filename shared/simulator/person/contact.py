"""How a customer and the shop keep in touch: account, consents, newsletter, visits."""

from typing import Final

from shared.simulator.person import orders
from shared.simulator.person.life import Life
from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY, HOUR

_ZONES: Final = (("Europe/Berlin", 0.86), ("Europe/Vienna", 0.08), ("Europe/Zurich", 0.06))
_CHANNELS: Final = (("email", 0.6), ("post", 0.2), ("phone", 0.15), ("social", 0.05))
_MONTHLY: Final = 30 * DAY
_REASONS: Final = (("too_many", 0.5), ("not_relevant", 0.35), ("other", 0.15))


def sign_up(life: Life) -> None:
    """Account, consents, newsletter; guests have none of it."""
    luck, person = life.luck, life.person
    if person.guest:
        return
    account = "b2b" if person.business else "b2c"
    life.write(
        person.joined,
        "customer.signed_up",
        f'{{"account":"{account}","email_hash":"{luck.getrandbits(64):016x}","timezone":"{luck.weigh(_ZONES)}",'
        f'"preferred_channel":"{luck.weigh(_CHANNELS)}"}}',
    )
    _consent(life)
    if person.subscribes:
        life.write(person.joined + 30, "newsletter.subscribed")
    if luck.chance(0.12):
        _tell_more(life, person.joined + luck.waiting(60 * DAY) + HOUR)


def _consent(life: Life) -> None:
    luck, joined = life.luck, life.person.joined
    for channel, share in parameters.CONSENTS.items():
        if luck.chance(share):
            data = f'{{"channel":"{channel}","purpose":"advertising"}}'
            life.write(joined + 10, "consent.granted", data)
            if luck.chance(parameters.CONSENT_WITHDRAWN):
                life.write(joined + HOUR + luck.waiting(200 * DAY), "consent.withdrawn", data)


def _tell_more(life: Life, t: float) -> None:
    if life.person.business:
        life.write(
            t,
            "customer.updated",
            '{"managed_by_field_sales":true,"reachable":["phone","email","post"]}',
        )
    else:
        life.write(t, "customer.updated", f'{{"preferred_channel":"{life.luck.weigh(_CHANNELS)}"}}')


def visit(life: Life, begin: float, end: float, mean: float) -> None:
    """Look in now and then, `mean` seconds apart."""
    t = begin + life.luck.waiting(mean)
    while t < end and t < life.end:
        if not life.person.guest and life.luck.chance(0.3):
            life.write(t, "session.signed_in")
        for page in range(1 + int(life.luck.random() * 1.6)):
            life.write(t + 20 + 40 * page, "page.viewed", f'{{"sku":"{orders.sku(life)}"}}')
        t += HOUR + life.luck.waiting(mean)


def unsubscribe(life: Life, t: float) -> None:
    """The newsletter is not wanted any more."""
    if life.person.subscribes and life.unsubscribed is None:
        life.unsubscribed = int(t)
        life.write(t, "newsletter.unsubscribed", f'{{"reason":"{life.luck.weigh(_REASONS)}"}}')


def subscribe_again(life: Life, t: float) -> None:
    """Some who come back want it again."""
    if (
        life.unsubscribed is not None
        and life.unsubscribed < t
        and life.luck.chance(parameters.RESUBSCRIBED)
    ):
        life.write(t + HOUR, "newsletter.subscribed")
        life.unsubscribed = None


def read(life: Life, begin: int, end: float, keen: float) -> None:
    """A newsletter a month from `begin` to `end`, opened with a probability of `keen`."""
    luck, t = life.luck, begin + luck_of_month(begin)
    while t < end and t < life.end and (life.unsubscribed is None or t < life.unsubscribed):
        if luck.chance(keen):
            opened = t + luck.waiting(8 * HOUR)
            message = f'{{"message_id":"newsletter-{t // _MONTHLY}"}}'
            life.write(opened, "message.opened", message)
            if luck.chance(parameters.CLICKED):
                life.write(opened + luck.between(5, 90), "message.clicked", message)
        if luck.chance(parameters.UNSUBSCRIBED):
            unsubscribe(life, t + luck.between(HOUR, DAY))
        t += _MONTHLY


def luck_of_month(t: int) -> int:
    """Seconds until the next newsletter is sent: every 30 days, at 8 in the morning."""
    return (8 * HOUR - t) % _MONTHLY
