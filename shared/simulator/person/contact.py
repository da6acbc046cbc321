"""Account, consents, newsletter and visits of a customer."""

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
    """Open an account, with consents and newsletter; guests have none of these."""
    random = life.random
    person = life.person
    if person.guest:
        return
    account = "b2b" if person.business else "b2c"
    email_hash = f"{random.getrandbits(64):016x}"
    zone = random.pick_weighted(_ZONES)
    channel = random.pick_weighted(_CHANNELS)
    life.write(
        person.joined,
        "customer.signed_up",
        f'{{"account":"{account}","email_hash":"{email_hash}","timezone":"{zone}",'
        f'"preferred_channel":"{channel}"}}',
    )
    _consent(life)
    if person.subscribes:
        life.write(person.joined + 30, "newsletter.subscribed")
    if random.chance(0.12):
        _update_profile(life, person.joined + random.exponential(60 * DAY) + HOUR)


def _consent(life: Life) -> None:
    random = life.random
    joined = life.person.joined
    for channel, share in parameters.CONSENTS.items():
        if random.chance(share):
            data = f'{{"channel":"{channel}","purpose":"advertising"}}'
            life.write(joined + 10, "consent.granted", data)
            if random.chance(parameters.CONSENT_WITHDRAWN):
                life.write(joined + HOUR + random.exponential(200 * DAY), "consent.withdrawn", data)


def _update_profile(life: Life, t: float) -> None:
    if life.person.business:
        life.write(
            t,
            "customer.updated",
            '{"managed_by_field_sales":true,"reachable":["phone","email","post"]}',
        )
    else:
        life.write(
            t,
            "customer.updated",
            f'{{"preferred_channel":"{life.random.pick_weighted(_CHANNELS)}"}}',
        )


def visit(life: Life, begin: float, end: float, mean: float) -> None:
    """Visit the shop now and then, `mean` seconds apart."""
    t = begin + life.random.exponential(mean)
    while t < end and t < life.end:
        if not life.person.guest and life.random.chance(0.3):
            life.write(t, "session.signed_in")
        for page in range(1 + int(life.random.random() * 1.6)):
            life.write(t + 20 + 40 * page, "page.viewed", f'{{"sku":"{orders.sku(life)}"}}')
        t += HOUR + life.random.exponential(mean)


def unsubscribe(life: Life, t: float) -> None:
    """Unsubscribe from the newsletter."""
    if life.person.subscribes and life.unsubscribed is None:
        life.unsubscribed = int(t)
        life.write(
            t, "newsletter.unsubscribed", f'{{"reason":"{life.random.pick_weighted(_REASONS)}"}}'
        )


def subscribe_again(life: Life, t: float) -> None:
    """Subscribe again, as some do who come back."""
    if (
        life.unsubscribed is not None
        and life.unsubscribed < t
        and life.random.chance(parameters.RESUBSCRIBED)
    ):
        life.write(t + HOUR, "newsletter.subscribed")
        life.unsubscribed = None


def read_newsletters(life: Life, begin: int, end: float, opened_share: float) -> None:
    """Receive a newsletter a month and open it with this probability."""
    random = life.random
    t = begin + _seconds_to_newsletter(begin)
    while t < end and t < life.end and (life.unsubscribed is None or t < life.unsubscribed):
        if random.chance(opened_share):
            opened = t + random.exponential(8 * HOUR)
            message = f'{{"message_id":"newsletter-{t // _MONTHLY}"}}'
            life.write(opened, "message.opened", message)
            if random.chance(parameters.CLICKED):
                life.write(opened + random.between(5, 90), "message.clicked", message)
        if random.chance(parameters.UNSUBSCRIBED):
            unsubscribe(life, t + random.between(HOUR, DAY))
        t += _MONTHLY


def _seconds_to_newsletter(t: int) -> int:
    """Seconds until the next newsletter, sent every 30 days at 8 in the morning."""
    return (8 * HOUR - t) % _MONTHLY
