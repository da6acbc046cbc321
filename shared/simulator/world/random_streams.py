"""Streams of random numbers, each a pure function of a seed and a name."""

from collections.abc import Sequence
from hashlib import blake2b
from math import log
from random import Random
from typing import Final, TypeVar

T = TypeVar("T")
_SCALE: Final = 2.0**-53


class RandomStream(Random):
    """One stream.

    Every distribution is an inverse formula of `random()`, whose sequence is the same in every
    version of Python.
    """

    @classmethod
    def of(cls, *name: str | int) -> "RandomStream":
        """The stream that belongs to a name."""
        return cls(int.from_bytes(_digest(name), "big"))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random() < probability

    def between(self, low: float, high: float) -> float:
        """A uniform number."""
        return low + (high - low) * self.random()

    def exponential(self, mean: float) -> float:
        """An exponential number with this mean."""
        return -mean * log(1.0 - self.random())

    def erlang(self, shape: int) -> float:
        """A gamma number of a whole shape and scale 1, as a sum of exponentials."""
        product = 1.0
        for _ in range(shape):
            product *= 1.0 - self.random()
        return -log(product)

    def beta(self, b: float) -> float:
        """A number of Beta(1, b), whose mean is 1 / (1 + b)."""
        return 1.0 - float((1.0 - self.random()) ** (1.0 / b))

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each equally likely."""
        return options[int(self.random() * len(options))]

    def pick_weighted(self, options: Sequence[tuple[T, float]]) -> T:
        """One of the options by weight. Weights sum to 1; the last takes what rounding leaves."""
        left = self.random()
        for option, weight in options:
            left -= weight
            if left < 0:
                return option
        return options[-1][0]


def draw(*name: str | int) -> float:
    """The number in [0, 1) that belongs to a name."""
    return (int.from_bytes(_digest(name)[:8], "big") >> 11) * _SCALE


def _digest(name: tuple[str | int, ...]) -> bytes:
    return blake2b("\x1f".join(map(str, name)).encode(), digest_size=16).digest()
