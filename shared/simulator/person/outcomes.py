"""The true effect of an offer: how likely somebody in a cell returns without it and with it, and who does."""

from dataclasses import dataclass
from enum import StrEnum
from math import log
from typing import Final

from shared.simulator.world.calendar import DAY
from shared.simulator.world.parameters import LONGEST_SILENCE
from shared.simulator.world.random_streams import Luck, draw

WINDOW_DAYS: Final = 30
"""The probabilities of returning are those of so many days."""


class Duration(StrEnum):
    """Days since the last order or the end of the last contract."""

    UP_TO_90 = "0-90"
    UP_TO_180 = "91-180"
    UP_TO_365 = "181-365"
    LONGER = "366+"


class Value(StrEnum):
    """Contribution margin so far."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Incentive(StrEnum):
    """What is offered."""

    DISCOUNT = "discount"
    VOUCHER = "voucher"
    POINTS = "points"
    EXTRA_SERVICE = "extra_service"
    FREE_SWITCH = "free_switch"
    REMINDER = "reminder"
    SERVICE_CREDIT = "service_credit"
    PROMISE = "promise"
    OTHER = "other"


ENDS: Final = (
    (Duration.UP_TO_90, 90 * DAY),
    (Duration.UP_TO_180, 180 * DAY),
    (Duration.UP_TO_365, 365 * DAY),
)
MEDIUM_FROM: Final = 2_500
HIGH_FROM: Final = 8_000
"""Cents of margin. Fixed, so that no customer's class depends on anybody else."""

_WITHOUT: Final = {
    Duration.UP_TO_90: {Value.LOW: 0.04, Value.MEDIUM: 0.05, Value.HIGH: 0.06},
    Duration.UP_TO_180: {Value.LOW: 0.07, Value.MEDIUM: 0.10, Value.HIGH: 0.13},
    Duration.UP_TO_365: {Value.LOW: 0.05, Value.MEDIUM: 0.06, Value.HIGH: 0.07},
    Duration.LONGER: {Value.LOW: 0.015, Value.MEDIUM: 0.020, Value.HIGH: 0.025},
}
_MOVED: Final = {
    Duration.UP_TO_90: 0.34,
    Duration.UP_TO_180: 0.30,
    Duration.UP_TO_365: 0.20,
    Duration.LONGER: 0.06,
}
"""Who is moved by a discount, of those who would not have returned."""
_BY_VALUE: Final = {Value.LOW: 0.8, Value.MEDIUM: 1.0, Value.HIGH: 1.2}
_BY_INCENTIVE: Final = {
    Incentive.DISCOUNT: 1.0,
    Incentive.VOUCHER: 0.9,
    Incentive.POINTS: 0.6,
    Incentive.EXTRA_SERVICE: 0.7,
    Incentive.FREE_SWITCH: 0.8,
    Incentive.REMINDER: 0.35,
    Incentive.SERVICE_CREDIT: 0.75,
    Incentive.PROMISE: 0.9,
    Incentive.OTHER: 0.5,
}
_NO_EFFECT: Final = frozenset(
    {(Duration.LONGER, Incentive.REMINDER), (Duration.LONGER, Incentive.POINTS)}
)
_USES_CODE: Final = 0.8
_LONGEST_DELAY_DAYS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Cell:
    """Whom an offer meets, and with what."""

    duration: Duration
    value: Value
    incentive: Incentive

    @property
    def without(self) -> float:
        """Probability of returning within 30 days by oneself."""
        return _WITHOUT[self.duration][self.value]

    @property
    def moved(self) -> float:
        """Probability of returning because of the offer, of who would not by oneself."""
        if (self.duration, self.incentive) in _NO_EFFECT:
            return 0.0
        return _MOVED[self.duration] * _BY_VALUE[self.value] * _BY_INCENTIVE[self.incentive]

    @property
    def with_offer(self) -> float:
        """Probability of returning within 30 days of the offer."""
        return self.without + (1.0 - self.without) * self.moved

    @property
    def at_end(self) -> tuple[float, float]:
        """Without the offer and with it, where it is made at the very end of the duration, as by a deadline: the
        incentive works as in this cell, the 30 days lie in the next one."""
        following = tuple(Duration)[
            min(tuple(Duration).index(self.duration) + 1, len(Duration) - 1)
        ]
        without = _WITHOUT[following][self.value]
        return without, without + (1.0 - without) * self.moved


@dataclass(frozen=True, slots=True)
class Reaction:
    """An order so long after the offer, with its code or without."""

    after: int
    uses_code: bool


CELLS: Final = tuple(Cell(d, v, i) for d in Duration for v in Value for i in Incentive)
_INCENTIVES: Final = {"percent": Incentive.DISCOUNT} | {
    str(incentive): incentive for incentive in Incentive
}
_HAZARDS: Final = {
    (d, v): -log(1.0 - p) / (WINDOW_DAYS * DAY)
    for d, row in _WITHOUT.items()
    for v, p in row.items()
}


def duration_of(seconds: int) -> Duration:
    """Of a silence that has lasted so long."""
    return next((duration for duration, end in ENDS if seconds <= end), Duration.LONGER)


def value_of(margin: int) -> Value:
    """Of cents earned so far."""
    if margin < MEDIUM_FROM:
        return Value.LOW
    return Value.MEDIUM if margin < HIGH_FROM else Value.HIGH


def incentive_of(name: str) -> Incentive:
    """As a service calls it; what is not known here is `other`."""
    return _INCENTIVES.get(name, Incentive.OTHER)


def own_return(luck: Luck, value: Value, begins: int) -> int:
    """Without any offer: the length of a silence that has lasted until `begins`, at the hazards of its cells."""
    at = float(begins)
    for duration, end in ENDS:
        if at < end:
            back = at + luck.waiting(1.0 / _HAZARDS[duration, value])
            if back < end:
                return int(back)
            at = end
    return int(min(at + luck.waiting(1.0 / _HAZARDS[Duration.LONGER, value]), LONGEST_SILENCE))


def reaction(seed: int, customer: str, cell: Cell) -> Reaction | None:
    """What this customer does on an offer in this cell; None: nothing that would not have happened anyway.

    Who is moved by a weak incentive is moved by every stronger one.
    """
    name = (seed, customer, "offer", cell.duration, cell.value)
    if draw(*name, "moved") >= cell.moved:
        return None
    days = 1.0 + _LONGEST_DELAY_DAYS * draw(*name, "delay") ** 2
    return Reaction(int(days * DAY), draw(*name, "code") < _USES_CODE)
