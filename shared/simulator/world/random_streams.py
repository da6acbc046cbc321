"""Chance: streams of numbers that are a pure function of a seed and a name, by explicit inverse formulas."""

from collections.abc import Sequence
from hashlib import blake2b
from math import log
from random import Random
from typing import Final, TypeVar

T = TypeVar("T")
_SCALE: Final = 2.0**-53


class Luck(Random):
    """One stream. Only `random()` is drawn from: its sequence is the same in every version of Python."""

    @classmethod
    def of(cls, *name: str | int) -> "Luck":
        """The stream of this name."""
        return cls(int.from_bytes(_digest(name), "big"))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random() < probability

    def between(self, low: float, high: float) -> float:
        """Uniform."""
        return low + (high - low) * self.random()

    def waiting(self, mean: float) -> float:
        """Exponential, by its mean."""
        return -mean * log(1.0 - self.random())

    def erlang(self, shape: int) -> float:
        """Gamma of a whole shape and scale 1: a sum of exponentials."""
        product = 1.0
        for _ in range(shape):
            product *= 1.0 - self.random()
        return -log(product)

    def leaning(self, b: float) -> float:
        """Beta(1, b), whose mean is 1 / (1 + b)."""
        return 1.0 - float((1.0 - self.random()) ** (1.0 / b))

    def pick(self, options: Sequence[T]) -> T:
        """One of them, all alike."""
        return options[int(self.random() * len(options))]

    def weigh(self, options: Sequence[tuple[T, float]]) -> T:
        """One of them by weight; weights sum to 1, the last takes what rounding leaves."""
        left = self.random()
        for option, weight in options:
            left -= weight
            if left < 0:
                return option
        return options[-1][0]


def draw(*name: str | int) -> float:
    """One number in [0, 1) that belongs to this name."""
    return (int.from_bytes(_digest(name)[:8], "big") >> 11) * _SCALE


def _digest(name: tuple[str | int, ...]) -> bytes:
    return blake2b("\x1f".join(map(str, name)).encode(), digest_size=16).digest()
