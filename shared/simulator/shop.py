"""The whole shop: every customer's life as lines of a log."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from shared.simulator.person.life import Life
from shared.simulator.person.life_course import live
from shared.simulator.world.calendar import DAY, HOUR, instant, later_by_months, text
from shared.simulator.world.random_streams import Luck

SOURCE: Final = "/simulator"


@dataclass(frozen=True, slots=True)
class Shop:
    """What is simulated. `duplicates` and `late` are shares of all events, `late_days` is the longest delay."""

    customers: int
    months: int
    seed: int
    duplicates: float = 0.0
    late: float = 0.0
    late_days: float = 5.0

    @property
    def span(self) -> int:
        """The simulated time in seconds."""
        return later_by_months(0, self.months)

    @property
    def ends(self) -> datetime:
        """The first instant after the simulated time."""
        return instant(self.span)


class Line(NamedTuple):
    """One event as JSON, and when it reaches the system, in seconds since the opening."""

    arrival: int
    kind: str
    json: str


def lives(shop: Shop) -> Iterator[Life]:
    """All customers, by number. More customers never change the earlier ones."""
    for number in range(1, shop.customers + 1):
        yield live(shop.seed, number, shop.span)


def lines(shop: Shop, life: Life, *, code: str | None = None) -> Iterable[Line]:
    """The events of a life as they reach the system; `code` is the one that the customer signs up with."""
    events = written(life, code=code)
    return _delivered(shop, life, events) if shop.duplicates or shop.late else events


def written(life: Life, *, code: str | None = None) -> Iterator[Line]:
    """Each event once, at the moment when it happens."""
    customer, tag, moved = life.person.customer, life.tag, life.moved
    for number, (t, kind, data) in enumerate(sorted(life.happenings), start=1):
        subject = f"{customer}.old" if moved and t < moved[0] else customer
        content = (
            f'{data[:-1]},"referral_code":"{code}"}}'
            if code and kind == "customer.signed_up"
            else data
        )
        yield Line(t, kind, _event(f"{customer}-{tag}{number}", kind, subject, t, content))
    if moved and min(t for t, _, _ in life.happenings) < moved[0]:
        yield from _merged(life, moved[1])


def _merged(life: Life, t: int) -> Iterator[Line]:
    """The old id becomes the present one; an old bookmark is used once more."""
    customer = life.person.customer
    old = f"{customer}.old"
    steps = (
        (t, "customer.merged", f'{{"into":"{customer}"}}'),
        (t + 3 * HOUR, "page.viewed", "{}"),
    )
    for at, kind, data in steps:
        if at < life.end:
            yield Line(at, kind, _event(f"{old}-{kind}", kind, old, at, data))


def _event(id: str, kind: str, subject: str, t: int, data: str) -> str:
    return (
        f'{{"specversion":"1.0","id":"{id}","source":"{SOURCE}","type":"{kind}",'
        f'"subject":"{subject}","time":"{text(t)}","data":{data}}}'
    )


def _delivered(shop: Shop, life: Life, events: Iterable[Line]) -> Iterator[Line]:
    """Some late, some twice: by a luck of its own, so that the events are the same as without."""
    luck, last = Luck.of(shop.seed, life.person.customer, life.tag, "delivery"), life.end - 1
    for line in events:
        is_late, delay = luck.chance(shop.late), luck.random() * shop.late_days * DAY
        arrival = min(line.arrival + int(delay), last) if is_late else line.arrival
        yield line._replace(arrival=arrival)
        if luck.chance(shop.duplicates):
            yield line._replace(arrival=min(arrival + int(luck.waiting(6 * HOUR)), last))
