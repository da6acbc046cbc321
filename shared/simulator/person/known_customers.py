"""The customers who have bought, and how they respond to offers."""

from bisect import bisect_right
from dataclasses import dataclass, field

from shared.simulator.person.life import Life
from shared.simulator.person.life_course import come_back
from shared.simulator.person.outcomes import (
    Cell,
    duration_of,
    incentive_of,
    reaction,
    value_class_of,
)
from shared.simulator.person.traits import Person
from shared.simulator.world.calendar import DAY
from shared.simulator.world.extras import Extras
from shared.simulator.world.random_streams import RandomStream


@dataclass(frozen=True, slots=True)
class ReceivedOffer:
    """An offer that reached a customer, made at `made` and without effect before `not_before`."""

    customer: str
    made: int
    not_before: int
    incentive: str
    code: str


@dataclass(slots=True)
class _KnownCustomer:
    person: Person
    bought: list[tuple[int, int]]
    silent_since: list[int]
    returns: int = 0
    added: list[tuple[int, int]] = field(default_factory=list)

    def purchases_until(self, t: int) -> list[tuple[int, int]]:
        """The purchases up to a time, in order."""
        purchases = sorted(self.bought + self.added)
        return [purchase for purchase in purchases if purchase[0] <= t]

    def next_purchase_anyway(self, t: int) -> int | None:
        """The time of the next purchase that would have come without offers."""
        at = bisect_right(self.bought, (t, 2**62))
        return self.bought[at][0] if at < len(self.bought) else None


class KnownCustomers:
    """All customers of a shop who have bought."""

    def __init__(self, seed: int, span: int, extras: Extras) -> None:
        self._seed = seed
        self._span = span
        self._extras = extras
        self._known: dict[str, _KnownCustomer] = {}

    def add(self, life: Life) -> None:
        """Add a customer, if there are purchases."""
        if life.bought:
            ends = [silence.since for silence in life.silences]
            self._known[life.person.customer] = _KnownCustomer(life.person, life.bought, ends)

    def cell(self, offer: ReceivedOffer) -> Cell | None:
        """The cell in which an offer met its customer; None without a purchase before it."""
        known = self._known.get(offer.customer)
        before = known.purchases_until(offer.made) if known else []
        if known is None or not before:
            return None
        last_purchase, _ = before[-1]
        ended = [end for end in known.silent_since if end <= offer.made]
        since = max(last_purchase, *ended, 0)
        value = value_class_of(sum(margin for _, margin in before))
        return Cell(duration_of(offer.made - since), value, incentive_of(offer.incentive))

    def react(self, offer: ReceivedOffer) -> Life | None:
        """The orders that an offer adds to the customer's life; None if it changes nothing.

        They end before the next order that would have come anyway.
        """
        cell = self.cell(offer)
        found = reaction(self._seed, offer.customer, cell) if cell else None
        if found is None:
            return None
        known = self._known[offer.customer]
        t = max(offer.made + found.after, offer.not_before)
        next_purchase = known.next_purchase_anyway(offer.made)
        until = self._span if next_purchase is None else next_purchase - DAY
        if t >= until:
            return None
        known.returns += 1
        name = (self._seed, offer.customer, "return", known.returns)
        life = Life(
            known.person,
            RandomStream.of(*name),
            RandomStream.of(*name, "extras"),
            self._span,
            tag=f"r{known.returns}-",
            extras=self._extras,
        )
        come_back(life, t, until, offer.code if found.uses_code else None)
        known.added += life.bought
        return life
