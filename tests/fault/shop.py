"""Traffic of a simulated shop: all types of events, some late or doubled, and chains of merges."""

import json
import random
from datetime import timedelta
from typing import Any, Final

from shared.simulator.shop import Shop, lines, lives
from shared.simulator.world.calendar import instant
from shared.simulator.world.extras import Extras
from tests.fault.merges import merges_among
from tests.fault.traffic import Traffic, arrivals_of
from tests.support.builders import tick

CUSTOMERS: Final = 120
MERGES: Final = 25
EXTRAS: Final = Extras(
    edited=0.15,
    reinstated=0.1,
    refund_ids=True,
    refunds_repeated=0.3,
    refunds_withdrawn=0.3,
    merged=0.15,
    unmerged=0.5,
)


def simulate(seed: int) -> Traffic:
    """Nine months of a small shop, a tick every fifth day until everything has come in."""
    shop = Shop(CUSTOMERS, 9, seed, duplicates=0.03, late=0.1, late_days=5, extras=EXTRAS)
    people = list(lives(shop))
    arrivals: list[tuple[float, dict[str, Any]]] = [
        (line.arrival / 86_400, json.loads(line.json))
        for life in people
        for line in lines(shop, life)
    ]
    days = (shop.ends - instant(0)).days
    rnd = random.Random(seed)
    known = sorted({life.person.customer for life in people})
    for at, made in merges_among(rnd, known, instant(0), days - 5, number=MERGES):
        arrivals += arrivals_of(rnd, at, made)
    last = days + 10 - days % 5
    ticks = [
        (number, tick(instant(0) + timedelta(days=number))) for number in range(0, last + 1, 5)
    ]
    events = [made for _, made in sorted([*arrivals, *ticks], key=lambda a: a[0])]
    return Traffic(events, instant(0) + timedelta(days=last))
