"""Contracts from conclusion to end: renewals, notice and withdrawn notice."""

from typing import Final

from shared.simulator.person import contact, orders
from shared.simulator.person.life import Life
from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY, HOUR, later_by_months, season, text

_REASONS: Final = (
    ("too_expensive", 0.35),
    ("no_longer_needed", 0.3),
    ("competitor", 0.2),
    ("service", 0.15),
)


def live_by_contract(life: Life, t: int) -> int:
    """Conclude a contract at `t`, with orders beside it; returns when it finally ended."""
    random = life.random
    person = life.person
    about = f'{{"contract_id":"{life.number("k")}"'
    months = random.pick_weighted(parameters.TERMS)
    fee = int((900 if person.business else 300) + person.spend / 2)
    value = f'"value":{{"amount":{fee * months},"currency":"EUR"}}'
    life.write(t, "contract.concluded", f'{about},"term_months":{months},{value}}}')
    terms = 0
    while True:
        begin = later_by_months(t, months * terms)
        terms += 1
        end = later_by_months(t, months * terms)
        life.buy(begin, int(fee * months * person.margin_rate))
        if begin >= life.end:
            return end
        if random.chance(parameters.RENEWED[person.business]):
            _use_contract(life, begin, end)
            life.write(end - HOUR, "contract.renewed", f"{about}}}")
        elif (ended := _cancel(life, about, begin, end)) is not None:
            return ended


def _cancel(life: Life, about: str, begin: int, end: int) -> int | None:
    """Live through a term that is not renewed.

    Returns when the contract ended, or None if it was renewed after all.
    """
    random = life.random
    way = random.random()
    stop = end - int((end - begin) * random.between(0.1, 0.5))
    _use_contract(life, begin, stop)
    reason = f'"reason_code":"{random.pick_weighted(_REASONS)}"'
    if way < parameters.AT_ONCE:
        life.write(stop + HOUR, "contract.cancelled", f"{about},{reason}}}")
        return stop + HOUR
    if way < parameters.AT_ONCE + parameters.ANNOUNCED:
        life.write(
            stop + HOUR, "contract.cancelled", f'{about},"effective_at":"{text(end)}",{reason}}}'
        )
        if random.chance(parameters.CHANGED_THEIR_MIND):
            life.write((stop + end) / 2, "contract.renewed", f"{about}}}")
            return None
    return end


def _use_contract(life: Life, begin: int, end: int) -> None:
    """Order and visit while the contract runs."""
    random = life.random
    person = life.person
    t = begin + random.exponential(person.gap) / season(begin) + DAY
    while t < end - 2 * DAY and t < life.end:
        orders.order(life, int(t))
        t += random.exponential(person.gap) / season(int(t)) + HOUR
    contact.visit(life, begin, end, person.visit * 2)
