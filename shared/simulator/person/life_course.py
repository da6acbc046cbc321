"""The life of one customer, from the first page to the last: stretches of buying, and silences between them."""

from typing import Final

from shared.simulator.person import contact, contracts, orders
from shared.simulator.person.life import Life, Silence
from shared.simulator.person.outcomes import own_return, value_of
from shared.simulator.person.traits import person
from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY, HOUR, season
from shared.simulator.world.random_streams import Luck

_RHYTHM: Final = parameters.RHYTHM_DAYS * DAY


def live(seed: int, number: int, span: int) -> Life:
    """The untouched life of a customer: a pure function of its arguments. `span` is the simulated time in seconds."""
    luck = Luck.of(seed, number)
    life = Life(person(number, luck, span), luck, span)
    contact.sign_up(life)
    if life.person.buys:
        _buy_and_rest(life)
    else:
        _look_only(life)
    _move(life)
    return life


def come_back(life: Life, t: int, until: int, coupon: str | None) -> None:
    """A stretch of buying from `t` on that would not have been, up to the next silence or `until`."""
    _shop(life, t, until, coupon=coupon)


def _buy_and_rest(life: Life) -> None:
    luck, who = life.luck, life.person
    t = (
        who.joined
        + int(luck.waiting(parameters.MEAN_FIRST_ORDER_DAYS * DAY) * (0 if who.guest else 1))
        + 120
    )
    contact.visit(life, who.joined, t, DAY)
    by_contract, begin = who.prefers_contract, who.joined
    while t < life.end:
        since = contracts.contract(life, t) if by_contract else _shop(life, t, life.end)
        if who.subscribes:
            contact.read(life, begin, since, parameters.OPENED)
        if since >= life.end:
            return
        silence = _fall_silent(life, since, ended=by_contract)
        life.silences.append(silence)
        begin, t = since, since + silence.lasts
        _be_silent(life, silence)
        contact.subscribe_again(life, t)
        by_contract = by_contract and luck.chance(parameters.CONTRACT_AGAIN)


def _shop(life: Life, t: int, until: int, *, coupon: str | None = None) -> int:
    """Order again and again; returns the time of the last order before a silence, or `until`."""
    luck, who = life.luck, life.person
    while True:
        wrong = orders.order(life, t, coupon=coupon)
        coupon = None
        gap = luck.waiting(who.gap) / season(t) + HOUR
        if (
            luck.chance(who.drop_out + (parameters.DISAPPOINTED_DROP_OUT if wrong else 0.0))
            or gap > _RHYTHM
        ):
            return t
        contact.visit(life, t, min(t + gap, until), who.visit)
        t += int(gap)
        if t >= until:
            return until


def _fall_silent(life: Life, since: int, *, ended: bool) -> Silence:
    """How long it will be; some close their account meanwhile. Who has left may return from then on."""
    luck = life.luck
    begins = 0 if ended else _RHYTHM
    if not life.person.guest and luck.chance(parameters.CLOSED):
        begins = int(luck.between(*parameters.CLOSED_AFTER_DAYS) * DAY)
        reason = luck.pick(("no_longer_needed", "competitor", "dissatisfied", "privacy"))
        life.write(since + begins, "customer.closed", f'{{"reason_code":"{reason}"}}')
    value = value_of(life.margin)
    return Silence(since, value, begins, own_return(luck, value, begins))


def _be_silent(life: Life, silence: Silence) -> None:
    """Look in less and less, and not at all any more once the account is closed."""
    luck, since = life.luck, silence.since
    until = since + (silence.lasts if silence.begins in (0, _RHYTHM) else silence.begins)
    contact.visit(life, since, min(until, since + 120 * DAY), life.person.visit * 3)
    if luck.chance(parameters.UNSUBSCRIBED_IN_SILENCE):
        contact.unsubscribe(life, min(since + luck.between(5, 80) * DAY, until - DAY))
    if life.person.subscribes:
        contact.read(life, since, until, parameters.OPENED / 6)


def _look_only(life: Life) -> None:
    luck, joined = life.luck, life.person.joined
    until = joined + luck.waiting(parameters.MEAN_INTEREST_DAYS * DAY)
    contact.visit(life, joined, until, life.person.visit)
    if life.person.subscribes:
        contact.read(life, joined, joined + 2 * (until - joined), parameters.OPENED / 2)


def _move(life: Life) -> None:
    """A few were known under another id before."""
    luck, joined = life.luck, life.person.joined
    if not luck.chance(parameters.MERGED):
        return
    taken = joined + int(luck.between(10, 200) * DAY)
    merged = taken + int(luck.between(1, 30) * DAY)
    if merged < life.end:
        life.moved = taken, merged
