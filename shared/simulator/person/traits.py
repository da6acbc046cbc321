"""Who a customer is: what never changes in a life."""

from dataclasses import dataclass

from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY
from shared.simulator.world.random_streams import Luck


@dataclass(frozen=True, slots=True)
class Person:
    """One customer. `joined` is in seconds since the opening, `gap` the mean seconds between orders, `spend` the mean
    cents of an order divided by the shape; `content` (0 to 1) colours every score."""

    customer: str
    joined: int
    business: bool
    guest: bool
    buys: bool
    prefers_contract: bool
    subscribes: bool
    referred: bool
    gap: float
    drop_out: float
    spend: float
    margin_rate: float
    content: float
    visit: float


def name_of(number: int) -> str:
    """The id of a customer by number, from 1."""
    return f"sim:{number:06}"


def person(number: int, luck: Luck, span: int) -> Person:
    """Drawn from the person's own luck; somebody joins at any time of the simulated span."""
    business = luck.chance(parameters.BUSINESSES)
    buys = not luck.chance(parameters.NEVER_BUY)
    guest = luck.chance(parameters.GUESTS) and buys
    rate = (
        luck.erlang(parameters.RATE_SHAPE)
        / parameters.RATE_SHAPE
        / parameters.MEAN_GAP_DAYS[business]
    )
    return Person(
        customer=name_of(number),
        joined=int(luck.random() * span),
        business=business,
        guest=guest,
        buys=buys,
        prefers_contract=luck.chance(parameters.CONTRACTS[business]),
        subscribes=luck.chance(parameters.SUBSCRIBERS) and not guest,
        referred=luck.chance(parameters.REFERRED) and not guest,
        gap=DAY / rate,
        drop_out=luck.leaning(parameters.DROP_OUT_B[business]),
        spend=parameters.SPEND_SCALE[business] / luck.erlang(parameters.SPEND_SHAPE),
        margin_rate=luck.between(*parameters.MARGIN),
        content=(luck.random() + luck.random() + luck.random()) / 3,
        visit=parameters.MEAN_VISIT_DAYS * DAY * luck.between(0.3, 1.7),
    )
