"""What is written down of a life while it is lived: happenings, purchases, silences."""

from dataclasses import dataclass, field

from shared.simulator.person.outcomes import Value
from shared.simulator.person.traits import Person
from shared.simulator.world.random_streams import Luck


@dataclass(frozen=True, slots=True)
class Silence:
    """Begun by the last order or the end of a contract, at `since`; `value` is the customer's class then.

    From `since + begins` on the return follows the offer cells; it comes by itself at `since + lasts`.
    """

    since: int
    value: Value
    begins: int
    lasts: int


@dataclass(slots=True)
class Life:
    """One customer's life as far as it is written. `tag` keeps the ids of an added stretch apart from the others."""

    person: Person
    luck: Luck
    end: int
    tag: str = ""
    happenings: list[tuple[int, str, str]] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    bought: list[tuple[int, int]] = field(default_factory=list)
    """When, and the cents of margin."""
    margin: int = 0
    orders: int = 0
    numbers: int = 0
    unsubscribed: int | None = None
    moved: tuple[int, int] | None = None
    """Took the present id at the first time; the old one was merged into it at the second."""

    def write(self, t: float, kind: str, data: str = "{}") -> None:
        """Something happens; what would come after the end is not written."""
        if t < self.end:
            self.happenings.append((int(t), kind, data))

    def number(self, kind: str) -> str:
        """A new id of an order, a contract, a complaint, an inquiry."""
        self.numbers += 1
        return f"{self.person.customer}-{self.tag}{kind}{self.numbers}"

    def buy(self, t: int, margin: int) -> None:
        """Remember a purchase."""
        self.bought.append((t, margin))
        self.margin += margin
