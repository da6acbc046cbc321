"""Who recommends the shop to whom: somebody who signs up by recommendation knows a content buyer of that time."""

from typing import Final

from shared.simulator.person.life import Life
from shared.simulator.world.calendar import DAY
from shared.simulator.world.random_streams import Luck

_KNOWN_FOR: Final = 20 * DAY
_TALKS_FOR: Final = 30 * DAY
_ACQUAINTANCES: Final = 20
_CONTENT: Final = 0.5


class Circle:
    """The buyers among the customers so far, by number; nobody is recommended by a later one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._buyers: list[tuple[str, int, int]] = []

    def recommender(self, life: Life) -> str | None:
        """Who told this customer of the shop, if anybody did."""
        customer, joined = life.person.customer, life.person.joined
        if not life.person.referred or not self._buyers:
            return None
        luck = Luck.of(self._seed, customer, "acquaintances")
        for _ in range(_ACQUAINTANCES):
            friend, first, last = luck.pick(self._buyers)
            if first + _KNOWN_FOR <= joined <= last + _TALKS_FOR:
                return friend
        return None

    def welcome(self, life: Life) -> None:
        """From now on this customer may recommend, if content and not under two names."""
        if life.bought and life.moved is None and life.person.content > _CONTENT:
            self._buyers.append((life.person.customer, life.bought[0][0], life.bought[-1][0]))
