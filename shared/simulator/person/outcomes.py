"""The true effect of offers: how likely customers return with and without one, and who does."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import product, starmap
from math import log
from typing import Final

from shared.simulator.world.calendar import DAY
from shared.simulator.world.parameters import LONGEST_SILENCE
from shared.simulator.world.random_streams import RandomStream, draw

WINDOW_DAYS: Final = 30
"""The probabilities of returning hold for so many days."""


class Duration(StrEnum):
    """How many days a silence has lasted, since the last order or the end of a contract."""

    UP_TO_90 = "0-90"
    UP_TO_180 = "91-180"
    UP_TO_365 = "181-365"
    LONGER = "366+"


class ValueClass(StrEnum):
    """A class of customers by their contribution margin so far."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class IncentiveKind(StrEnum):
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
"""Cents of margin. They are fixed, so that no customer's class depends on anybody else."""

_WITHOUT: Final = {
    Duration.UP_TO_90: {ValueClass.LOW: 0.04, ValueClass.MEDIUM: 0.05, ValueClass.HIGH: 0.06},
    Duration.UP_TO_180: {ValueClass.LOW: 0.07, ValueClass.MEDIUM: 0.10, ValueClass.HIGH: 0.13},
    Duration.UP_TO_365: {ValueClass.LOW: 0.05, ValueClass.MEDIUM: 0.06, ValueClass.HIGH: 0.07},
    Duration.LONGER: {ValueClass.LOW: 0.015, ValueClass.MEDIUM: 0.020, ValueClass.HIGH: 0.025},
}
_MOVED: Final = {
    Duration.UP_TO_90: 0.34,
    Duration.UP_TO_180: 0.30,
    Duration.UP_TO_365: 0.20,
    Duration.LONGER: 0.06,
}
"""The share moved by a discount, of those who would not have returned."""
_BY_VALUE: Final = {ValueClass.LOW: 0.8, ValueClass.MEDIUM: 1.0, ValueClass.HIGH: 1.2}
_BY_INCENTIVE: Final = {
    IncentiveKind.DISCOUNT: 1.0,
    IncentiveKind.VOUCHER: 0.9,
    IncentiveKind.POINTS: 0.6,
    IncentiveKind.EXTRA_SERVICE: 0.7,
    IncentiveKind.FREE_SWITCH: 0.8,
    IncentiveKind.REMINDER: 0.35,
    IncentiveKind.SERVICE_CREDIT: 0.75,
    IncentiveKind.PROMISE: 0.9,
    IncentiveKind.OTHER: 0.5,
}
_NO_EFFECT: Final = frozenset(
    {(Duration.LONGER, IncentiveKind.REMINDER), (Duration.LONGER, IncentiveKind.POINTS)}
)
_USES_CODE: Final = 0.8
_LONGEST_DELAY_DAYS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Cell:
    """The situation in which an offer meets a customer."""

    duration: Duration
    value: ValueClass
    incentive: IncentiveKind

    @property
    def without(self) -> float:
        """The probability of returning within 30 days unprompted."""
        return _WITHOUT[self.duration][self.value]

    @property
    def moved(self) -> float:
        """The probability of returning because of the offer, of those who otherwise would not."""
        if (self.duration, self.incentive) in _NO_EFFECT:
            return 0.0
        return _MOVED[self.duration] * _BY_VALUE[self.value] * _BY_INCENTIVE[self.incentive]

    @property
    def with_offer(self) -> float:
        """The probability of returning within 30 days of the offer."""
        return self.without + (1.0 - self.without) * self.moved

    @property
    def at_end(self) -> tuple[float, float]:
        """The probabilities without and with an offer made at the very end of the duration.

        An offer at a deadline is made then: the incentive works as in this cell, but the 30 days
        lie in the next one.
        """
        durations = tuple(Duration)
        following = min(durations.index(self.duration) + 1, len(durations) - 1)
        without = _WITHOUT[durations[following]][self.value]
        return without, without + (1.0 - without) * self.moved


@dataclass(frozen=True, slots=True)
class Reaction:
    """An order `after` seconds from the offer, with its code or without."""

    after: int
    uses_code: bool


CELLS: Final = tuple(starmap(Cell, product(Duration, ValueClass, IncentiveKind)))
_INCENTIVES: Final = {"percent": IncentiveKind.DISCOUNT} | {
    str(incentive): incentive for incentive in IncentiveKind
}
_HAZARDS: Final = {
    (duration, value): -log(1.0 - probability) / (WINDOW_DAYS * DAY)
    for duration, by_value in _WITHOUT.items()
    for value, probability in by_value.items()
}
"""The constant hazards of returning unprompted, per second."""


def duration_of(seconds: int) -> Duration:
    """The duration class of a silence of so many seconds."""
    return next((duration for duration, end in ENDS if seconds <= end), Duration.LONGER)


def value_class_of(margin: int) -> ValueClass:
    """The value class of a margin so far, in cents."""
    if margin < MEDIUM_FROM:
        return ValueClass.LOW
    return ValueClass.MEDIUM if margin < HIGH_FROM else ValueClass.HIGH


def incentive_of(name: str) -> IncentiveKind:
    """The incentive that a service names; `other` for an unknown name."""
    return _INCENTIVES.get(name, IncentiveKind.OTHER)


def own_return(random: RandomStream, value: ValueClass, begins: int) -> int:
    """The length in seconds of a silence without offers, once it has lasted until `begins`."""
    at = float(begins)
    for duration, end in ENDS:
        if at < end:
            back = at + random.exponential(1.0 / _HAZARDS[duration, value])
            if back < end:
                return int(back)
            at = end
    return int(
        min(at + random.exponential(1.0 / _HAZARDS[Duration.LONGER, value]), LONGEST_SILENCE)
    )


def reaction(seed: int, customer: str, cell: Cell) -> Reaction | None:
    """What an offer in this cell makes a customer do; None if it changes nothing.

    A customer moved by a weak incentive is moved by every stronger one.
    """
    name = (seed, customer, "offer", cell.duration, cell.value)
    if draw(*name, "moved") >= cell.moved:
        return None
    days = 1.0 + _LONGEST_DELAY_DAYS * draw(*name, "delay") ** 2
    return Reaction(int(days * DAY), draw(*name, "code") < _USES_CODE)
