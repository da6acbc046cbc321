"""A contract from its conclusion to its end: renewals, notice, second thoughts."""

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


def contract(life: Life, t: int) -> int:
    """Conclude one at `t`, with orders beside it; returns when it ended for good."""
    luck, person = life.luck, life.person
    about = f'{{"contract_id":"{life.number("k")}"'
    months = luck.weigh(parameters.TERMS)
    fee = int((900 if person.business else 300) + person.spend / 2)
    value = f'"value":{{"amount":{fee * months},"currency":"EUR"}}'
    life.write(t, "contract.concluded", f'{about},"term_months":{months},{value}}}')
    terms = 0
    while True:
        life.buy(later_by_months(t, months * terms), int(fee * months * person.margin_rate))
        begin, end = later_by_months(t, months * terms), later_by_months(t, months * (terms + 1))
        terms += 1
        if begin >= life.end:
            return end
        if luck.chance(parameters.RENEWED[person.business]):
            _live_with_it(life, begin, end)
            life.write(end - HOUR, "contract.renewed", f"{about}}}")
        elif (ended := _cancel(life, about, begin, end)) is not None:
            return ended


def _cancel(life: Life, about: str, begin: int, end: int) -> int | None:
    """The last term: when the contract ended, or None if it was renewed after all."""
    luck = life.luck
    way = luck.random()
    stop = end - int((end - begin) * luck.between(0.1, 0.5))
    _live_with_it(life, begin, stop)
    reason = f'"reason_code":"{luck.weigh(_REASONS)}"'
    if way < parameters.AT_ONCE:
        life.write(stop + HOUR, "contract.cancelled", f"{about},{reason}}}")
        return stop + HOUR
    if way < parameters.AT_ONCE + parameters.ANNOUNCED:
        life.write(
            stop + HOUR, "contract.cancelled", f'{about},"effective_at":"{text(end)}",{reason}}}'
        )
        if luck.chance(parameters.CHANGED_THEIR_MIND):
            life.write((stop + end) / 2, "contract.renewed", f"{about}}}")
            return None
    return end


def _live_with_it(life: Life, begin: int, end: int) -> None:
    """Orders and visits while the contract runs."""
    luck, person = life.luck, life.person
    t = begin + luck.waiting(person.gap) / season(begin) + DAY
    while t < end - 2 * DAY and t < life.end:
        orders.order(life, int(t))
        t += luck.waiting(person.gap) / season(int(t)) + HOUR
    contact.visit(life, begin, end, person.visit * 2)
