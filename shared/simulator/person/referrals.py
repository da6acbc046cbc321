"""Who recommends the shop to whom: a referred customer knows a content buyer of that time."""

from typing import Final

from shared.simulator.person.life import Life
from shared.simulator.world.calendar import DAY
from shared.simulator.world.random_streams import RandomStream

_KNOWN_FOR: Final = 20 * DAY
_TALKS_FOR: Final = 30 * DAY
_ACQUAINTANCES: Final = 20
_CONTENT: Final = 0.5


class Recommenders:
    """The customers so far who may recommend the shop. Add customers in the order of numbers."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._buyers: list[tuple[str, int, int]] = []

    def recommender_of(self, life: Life) -> str | None:
        """The id of the customer who recommended the shop to this one, if any did."""
        customer = life.person.customer
        joined = life.person.joined
        if not life.person.referred or not self._buyers:
            return None
        random = RandomStream.of(self._seed, customer, "acquaintances")
        for _ in range(_ACQUAINTANCES):
            friend, first, last = random.pick(self._buyers)
            if first + _KNOWN_FOR <= joined <= last + _TALKS_FOR:
                return friend
        return None

    def add(self, life: Life) -> None:
        """Let this customer recommend the shop from now on, if content and of a single id."""
        if life.bought and life.id_change is None and life.person.content > _CONTENT:
            first, _ = life.bought[0]
            last, _ = life.bought[-1]
            self._buyers.append((life.person.customer, first, last))
