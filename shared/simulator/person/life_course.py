"""The course of a life: times of buying, and silences between them."""

from typing import Final

from shared.simulator.person import contact, contracts, orders
from shared.simulator.person.life import Life, Silence
from shared.simulator.person.outcomes import own_return, value_class_of
from shared.simulator.person.traits import draw_person
from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY, HOUR, season
from shared.simulator.world.extras import NO_EXTRAS, Extras
from shared.simulator.world.random_streams import RandomStream

_RHYTHM: Final = parameters.RHYTHM_DAYS * DAY


def live(seed: int, number: int, span: int, extras: Extras = NO_EXTRAS) -> Life:
    """The life of a customer without offers, a pure function of its arguments.

    `span` is the simulated time in seconds.
    """
    random = RandomStream.of(seed, number)
    whims = RandomStream.of(seed, number, "extras")
    life = Life(draw_person(number, random, span), random, whims, span, extras=extras)
    contact.sign_up(life)
    if life.person.buys:
        _buy_and_pause(life)
    else:
        _browse_only(life)
    _change_id(life)
    return life


def come_back(life: Life, t: int, until: int, coupon: str | None) -> None:
    """Add a time of buying from `t` on, up to the next silence or `until`."""
    _buy_repeatedly(life, t, until, coupon=coupon)


def _buy_and_pause(life: Life) -> None:
    random = life.random
    person = life.person
    # Guests order at once, but draw the same number.
    until_order = int(random.exponential(parameters.MEAN_FIRST_ORDER_DAYS * DAY))
    t = person.joined + (0 if person.guest else until_order) + 120
    contact.visit(life, person.joined, t, DAY)
    by_contract = person.prefers_contract
    begin = person.joined
    while t < life.end:
        since = (
            contracts.live_by_contract(life, t)
            if by_contract
            else _buy_repeatedly(life, t, life.end)
        )
        if person.subscribes:
            contact.read_newsletters(life, begin, since, parameters.OPENED)
        if since >= life.end:
            return
        silence = _fall_silent(life, since, ended=by_contract)
        life.silences.append(silence)
        begin = since
        t = since + silence.lasts
        _be_silent(life, silence)
        contact.subscribe_again(life, t)
        by_contract = by_contract and random.chance(parameters.CONTRACT_AGAIN)


def _buy_repeatedly(life: Life, t: int, until: int, *, coupon: str | None = None) -> int:
    """Order until a silence begins; returns the time of the last purchase, or `until`."""
    random = life.random
    person = life.person
    while True:
        is_disappointed = orders.order(life, t, coupon=coupon)
        coupon = None
        gap = random.exponential(person.gap) / season(t) + HOUR
        extra = parameters.DISAPPOINTED_DROP_OUT if is_disappointed else 0.0
        if random.chance(person.drop_out + extra) or gap > _RHYTHM:
            since, _ = life.bought[-1]
            return since
        contact.visit(life, t, min(t + gap, until), person.visit)
        t += int(gap)
        if t >= until:
            return until


def _fall_silent(life: Life, since: int, *, ended: bool) -> Silence:
    """Begin a silence; some customers close their account in it and may return from then on."""
    random = life.random
    begins = 0 if ended else _RHYTHM
    if not life.person.guest and random.chance(parameters.CLOSED):
        begins = int(random.between(*parameters.CLOSED_AFTER_DAYS) * DAY)
        reason = random.pick(("no_longer_needed", "competitor", "dissatisfied", "privacy"))
        life.write(since + begins, "customer.closed", f'{{"reason_code":"{reason}"}}')
    value = value_class_of(life.margin)
    return Silence(since, value, begins, own_return(random, value, begins))


def _be_silent(life: Life, silence: Silence) -> None:
    """Visit less often, and not at all once the account is closed."""
    random = life.random
    since = silence.since
    until = since + (silence.lasts if silence.begins in (0, _RHYTHM) else silence.begins)
    contact.visit(life, since, min(until, since + 120 * DAY), life.person.visit * 3)
    if random.chance(parameters.UNSUBSCRIBED_IN_SILENCE):
        contact.unsubscribe(life, min(since + random.between(5, 80) * DAY, until - DAY))
    if life.person.subscribes:
        contact.read_newsletters(life, since, until, parameters.OPENED / 6)


def _browse_only(life: Life) -> None:
    random = life.random
    joined = life.person.joined
    until = joined + random.exponential(parameters.MEAN_INTEREST_DAYS * DAY)
    contact.visit(life, joined, until, life.person.visit)
    if life.person.subscribes:
        contact.read_newsletters(life, joined, joined + 2 * (until - joined), parameters.OPENED / 2)


def _change_id(life: Life) -> None:
    """Let a few customers have been known under another id before."""
    random = life.random
    joined = life.person.joined
    if not random.chance(life.extras.merged):
        return
    taken = joined + int(random.between(10, 200) * DAY)
    merged = taken + int(random.between(1, 30) * DAY)
    if merged < life.end:
        life.id_change = (taken, merged)
        undone = merged + int(life.whims.between(1, 40) * DAY)
        if life.whims.chance(life.extras.unmerged) and undone < life.end:
            life.unmerged = undone
