"""The record of one simulated life: events, purchases and silences."""

from dataclasses import dataclass, field

from shared.simulator.person.outcomes import ValueClass
from shared.simulator.person.traits import Person
from shared.simulator.world.random_streams import RandomStream


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
class Life:
    """One customer's life, as far as it is written.

    `happenings` are (time, event type, data as JSON); `bought` are (time, margin in cents).
    `id_change` says when the customer took the present id, and when the old one was merged into
    it. `tag` distinguishes the event ids of a part that was added later.
    """

    person: Person
    random: RandomStream
    end: int
    tag: str = ""
    happenings: list[tuple[int, str, str]] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    bought: list[tuple[int, int]] = field(default_factory=list)
    margin: int = 0
    orders: int = 0
    numbers: int = 0
    unsubscribed: int | None = None
    id_change: tuple[int, int] | None = None

    def write(self, t: float, kind: str, data: str = "{}") -> None:
        """Write an event, unless it would come after the end."""
        if t < self.end:
            self.happenings.append((int(t), kind, data))

    def number(self, kind: str) -> str:
        """A new id of an order, contract, complaint or inquiry."""
        self.numbers += 1
        return f"{self.person.customer}-{self.tag}{kind}{self.numbers}"

    def buy(self, t: int, margin: int) -> None:
        """Write a purchase with its margin in cents."""
        self.bought.append((t, margin))
        self.margin += margin
