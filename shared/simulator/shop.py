"""The simulated shop: every customer's life as lines of a log."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from shared.simulator.person.life import Life
from shared.simulator.person.life_course import live
from shared.simulator.world.calendar import DAY, HOUR, instant, later_by_months, text
from shared.simulator.world.extras import NO_EXTRAS, Extras
from shared.simulator.world.random_streams import RandomStream

SOURCE: Final = "/simulator"


@dataclass(frozen=True, slots=True)
class Shop:
    """What to simulate. `duplicates` and `late` are shares of events; `late_days` is the most."""

    customers: int
    months: int
    seed: int
    duplicates: float = 0.0
    late: float = 0.0
    late_days: float = 5.0
    extras: Extras = NO_EXTRAS

    @property
    def span(self) -> int:
        """The simulated time in seconds."""
        return later_by_months(0, self.months)

    @property
    def ends(self) -> datetime:
        """The first instant after the simulated time."""
        return instant(self.span)


class Line(NamedTuple):
    """One event as JSON, and its arrival in seconds since the opening."""

    arrival: int
    kind: str
    json: str


def lives(shop: Shop) -> Iterator[Life]:
    """All customers, by number; more customers never change earlier ones."""
    for number in range(1, shop.customers + 1):
        yield live(shop.seed, number, shop.span, shop.extras)


def lines(shop: Shop, life: Life, *, code: str | None = None) -> Iterable[Line]:
    """The events of a life as they arrive; `code` is the one the customer signs up with."""
    events = _events(life, code=code)
    return _deliver(shop, life, events) if shop.duplicates or shop.late else events


def _events(life: Life, *, code: str | None = None) -> Iterator[Line]:
    """Each event once, at the time when it happens."""
    customer = life.person.customer
    moved = life.id_change
    for number, (t, kind, data) in enumerate(sorted(life.happenings), start=1):
        subject = life.id_of(t, data)
        if code and kind == "customer.signed_up":
            data = f'{data[:-1]},"referral_code":"{code}"}}'
        yield Line(t, kind, _event(f"{customer}-{life.tag}{number}", kind, subject, t, data))
    if moved and min(t for t, _, _ in life.happenings) < moved[0]:
        yield from _merge(life, moved[1])


def _merge(life: Life, t: int) -> Iterator[Line]:
    """Merge the old id into the present one, and use an old bookmark once more.

    If that is taken back, the old id is used again as well.
    """
    old = life.old_id
    steps = [
        (t, "customer.merged", f'{{"into":"{life.person.customer}"}}', ""),
        (t + 3 * HOUR, "page.viewed", "{}", ""),
    ]
    if life.unmerged is not None:
        steps.append((life.unmerged, "customer.unmerged", "{}", ""))
        steps.append((life.unmerged + 3 * HOUR, "page.viewed", "{}", "-again"))
    for at, kind, data, suffix in steps:
        if at < life.end:
            yield Line(at, kind, _event(f"{old}-{kind}{suffix}", kind, old, at, data))


def _event(id: str, kind: str, subject: str, t: int, data: str) -> str:
    return (
        f'{{"specversion":"1.0","id":"{id}","source":"{SOURCE}","type":"{kind}",'
        f'"subject":"{subject}","time":"{text(t)}","data":{data}}}'
    )


def _deliver(shop: Shop, life: Life, events: Iterable[Line]) -> Iterator[Line]:
    """Deliver some events late or twice, by a stream of its own that leaves the events the same."""
    random = RandomStream.of(shop.seed, life.person.customer, life.tag, "delivery")
    last = life.end - 1
    for line in events:
        is_late = random.chance(shop.late)
        delay = random.random() * shop.late_days * DAY
        arrival = min(line.arrival + int(delay), last) if is_late else line.arrival
        yield line._replace(arrival=arrival)
        if random.chance(shop.duplicates):
            yield line._replace(arrival=min(arrival + int(random.exponential(6 * HOUR)), last))
