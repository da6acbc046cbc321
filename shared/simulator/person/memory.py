"""What the simulator remembers of the customers, to know what an offer changes."""

from bisect import bisect_right
from dataclasses import dataclass, field

from shared.simulator.person.life import Life
from shared.simulator.person.life_course import come_back
from shared.simulator.person.outcomes import Cell, duration_of, incentive_of, reaction, value_of
from shared.simulator.person.traits import Person
from shared.simulator.world.calendar import DAY
from shared.simulator.world.random_streams import Luck


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer as it reached a customer: the instant of its making, and the first in which anything can come of it."""

    customer: str
    made: int
    not_before: int
    incentive: str
    code: str


@dataclass(slots=True)
class _Known:
    person: Person
    bought: list[tuple[int, int]]
    ends: list[int]
    returns: int = 0
    added: list[tuple[int, int]] = field(default_factory=list)

    def before(self, t: int) -> list[tuple[int, int]]:
        """Purchases up to a time, in order."""
        return [purchase for purchase in sorted(self.bought + self.added) if purchase[0] <= t]

    def next_own(self, t: int) -> int | None:
        """The next purchase of the untouched life."""
        at = bisect_right(self.bought, (t, 2**62))
        return self.bought[at][0] if at < len(self.bought) else None


class Memory:
    """All customers who have bought."""

    def __init__(self, seed: int, span: int) -> None:
        self._seed = seed
        self._span = span
        self._known: dict[str, _Known] = {}

    def keep(self, life: Life) -> None:
        """Remember what a later offer to this customer needs."""
        if life.bought:
            ends = [silence.since for silence in life.silences]
            self._known[life.person.customer] = _Known(life.person, life.bought, ends)

    def cell(self, offer: Offer) -> Cell | None:
        """The cell in which an offer met its customer; None if nothing is known of a purchase."""
        known = self._known.get(offer.customer)
        before = known.before(offer.made) if known else []
        if known is None or not before:
            return None
        since = max(before[-1][0], *(end for end in (0, *known.ends) if end <= offer.made))
        value = value_of(sum(margin for _, margin in before))
        return Cell(duration_of(offer.made - since), value, incentive_of(offer.incentive))

    def react(self, offer: Offer) -> Life | None:
        """What the offer adds to the customer's life: orders up to the next one that would have come anyway.

        None if it changes nothing.
        """
        cell = self.cell(offer)
        found = reaction(self._seed, offer.customer, cell) if cell else None
        if found is None:
            return None
        known = self._known[offer.customer]
        t, own = max(offer.made + found.after, offer.not_before), known.next_own(offer.made)
        until = self._span if own is None else own - DAY
        if t >= until:
            return None
        known.returns += 1
        name = (self._seed, offer.customer, "return", known.returns)
        life = Life(known.person, Luck.of(*name), self._span, tag=f"r{known.returns}-")
        come_back(life, t, until, offer.code if found.uses_code else None)
        known.added += life.bought
        return life
