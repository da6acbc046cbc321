"""Traffic of a simulated shop: all types of events, some late or doubled, and chains of mergers."""

import json
import random
from datetime import timedelta
from typing import Any, Final

from shared.simulator.shop import Shop, lines, lives
from shared.simulator.world.calendar import instant
from tests.fault.traffic import Traffic
from tests.support.builders import event, tick

CUSTOMERS: Final = 120
MERGERS: Final = 15


def simulate(seed: int) -> Traffic:
    """Nine months of a small shop, a tick every fifth day until everything has come in."""
    shop = Shop(customers=CUSTOMERS, months=9, seed=seed, duplicates=0.03, late=0.1, late_days=5)
    arrivals: list[tuple[float, dict[str, Any]]] = [
        (line.arrival / 86_400, json.loads(line.json))
        for life in lives(shop)
        for line in lines(shop, life)
    ]
    days = (shop.ends - instant(0)).days
    arrivals += mergers(
        random.Random(seed),
        sorted({made["subject"] for _, made in arrivals if not made["subject"].endswith(".old")}),
        days,
    )
    last = days + 10 - days % 5
    ticks = [
        (number, tick(instant(0) + timedelta(days=number))) for number in range(0, last + 1, 5)
    ]
    events = [made for _, made in sorted([*arrivals, *ticks], key=lambda a: a[0])]
    return Traffic(events, instant(0) + timedelta(days=last))


def mergers(
    rnd: random.Random, customers: list[str], days: int
) -> list[tuple[float, dict[str, Any]]]:
    """Each customer into one with a greater id, so that chains arise and cycles do not."""
    found = []
    for old in rnd.sample(customers[:-1], MERGERS):
        at = rnd.uniform(days / 4, days)
        into = rnd.choice(customers[customers.index(old) + 1 :])
        made = event(old, "customer.merged", instant(0) + timedelta(days=at), into=into)
        found.append((at, made))
    return found
