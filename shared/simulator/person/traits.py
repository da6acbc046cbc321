"""The traits of a customer, which never change."""

from dataclasses import dataclass

from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY
from shared.simulator.world.random_streams import RandomStream


@dataclass(frozen=True, slots=True)
class Person:
    """One customer.

    `joined` is in seconds since the opening, `gap` the mean seconds between orders, `visit` those
    between visits, `spend` the mean cents of an order divided by the shape of their distribution.
    `content` (0 to 1) influences every score.
    """

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
    """The id of a customer, by number from 1."""
    return f"sim:{number:06}"


def draw_person(number: int, random: RandomStream, span: int) -> Person:
    """Draw a person from their own stream; they join at any time of the simulated span."""
    business = random.chance(parameters.BUSINESSES)
    buys = not random.chance(parameters.NEVER_BUY)
    guest = random.chance(parameters.GUESTS) and buys
    rate = (
        random.erlang(parameters.RATE_SHAPE)
        / parameters.RATE_SHAPE
        / parameters.MEAN_GAP_DAYS[business]
    )
    return Person(
        customer=name_of(number),
        joined=int(random.random() * span),
        business=business,
        guest=guest,
        buys=buys,
        prefers_contract=random.chance(parameters.CONTRACTS[business]),
        subscribes=random.chance(parameters.SUBSCRIBERS) and not guest,
        referred=random.chance(parameters.REFERRED) and not guest,
        gap=DAY / rate,
        drop_out=random.beta(parameters.DROP_OUT_B[business]),
        spend=parameters.SPEND_SCALE[business] / random.erlang(parameters.SPEND_SHAPE),
        margin_rate=random.between(*parameters.MARGIN),
        content=(random.random() + random.random() + random.random()) / 3,
        visit=parameters.MEAN_VISIT_DAYS * DAY * random.between(0.3, 1.7),
    )
