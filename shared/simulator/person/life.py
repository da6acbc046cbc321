"""The record of one simulated life: events, purchases and silences."""

from dataclasses import dataclass, field
from typing import Final

from shared.simulator.person.outcomes import ValueClass
from shared.simulator.person.traits import Person
from shared.simulator.world.extras import NO_EXTRAS, Extras
from shared.simulator.world.random_streams import RandomStream

_ABOUT_ORDER: Final = '{"order_id":"'


@dataclass(frozen=True, slots=True)
class Silence:
    """A time without orders, in seconds.

    It begins at `since`, with the last order or the end of a contract; `value` is the customer's
    class then. From `since + begins` on, the return follows the offer cells; without an offer it
    comes at `since + lasts`.
    """

    since: int
    value: ValueClass
    begins: int
    lasts: int


@dataclass(slots=True)
class PlacedOrder:
    """What has become of an order by the end of the simulation; money is in cents.

    `placed` is when it was first placed, `purchased` since when it stands.
    """

    order_id: str
    placed: int
    purchased: int
    total: int
    refunded: int = 0
    is_cancelled: bool = False

    @property
    def about(self) -> str:
        """The beginning of the data of its events, as JSON."""
        return f'{_ABOUT_ORDER}{self.order_id}"'

    @property
    def stands(self) -> bool:
        """Is it neither cancelled nor wholly refunded?"""
        return not self.is_cancelled and self.refunded < self.total


@dataclass(slots=True)
class Life:
    """One customer's life, as far as it is written.

    `happenings` are (time, event type, data as JSON); `bought` are (time, margin in cents).
    `id_change` says when the customer took the present id, and when the old one was merged into
    it. `unmerged` says when that was taken back. `tag` distinguishes the event ids of a part that
    was added later. `extras` are drawn from a stream of their own, `whims`.
    """

    person: Person
    random: RandomStream
    whims: RandomStream
    end: int
    tag: str = ""
    extras: Extras = NO_EXTRAS
    happenings: list[tuple[int, str, str]] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    bought: list[tuple[int, int]] = field(default_factory=list)
    margin: int = 0
    orders: int = 0
    numbers: int = 0
    unsubscribed: int | None = None
    id_change: tuple[int, int] | None = None
    unmerged: int | None = None
    placed: list[PlacedOrder] = field(default_factory=list)

    def write(self, t: float, kind: str, data: str = "{}") -> bool:
        """Write an event, unless it would come after the end; returns whether it was written."""
        if t < self.end:
            self.happenings.append((int(t), kind, data))
            return True
        return False

    def id_of(self, t: int, data: str) -> str:
        """The id by which the shop knows the customer in an event.

        Where a merge is taken back, whatever happens to an order stays with the id that placed it.
        """
        if self.id_change is None:
            return self.person.customer
        taken, _ = self.id_change
        if self.unmerged is not None and data.startswith(_ABOUT_ORDER):
            t = self._placed_at(data[len(_ABOUT_ORDER) :].partition('"')[0])
        return self.old_id if t < taken else self.person.customer

    @property
    def old_id(self) -> str:
        """The id by which some were known before."""
        return f"{self.person.customer}.old"

    def _placed_at(self, order_id: str) -> int:
        return next(order.placed for order in self.placed if order.order_id == order_id)

    def number(self, kind: str) -> str:
        """A new id of an order, contract, complaint or inquiry."""
        self.numbers += 1
        return f"{self.person.customer}-{self.tag}{kind}{self.numbers}"

    def buy(self, t: int, margin: int) -> None:
        """Write a purchase with its margin in cents."""
        self.bought.append((t, margin))
        self.margin += margin
