"""When a number of complaints is more than chance and the usual ups and downs explain."""

import statistics
from collections.abc import Sequence
from math import sqrt
from typing import Final, NamedTuple

from scipy.special import betainc

WEEKS: Final = 8
"""Of the baseline."""
FEWEST_WEEKS: Final = 4
"""Of a baseline in a shop that is young."""
FEWEST: Final = 5
"""Complaints that are above any baseline at all."""
UNLIKELY: Final = 0.001
DEVIATIONS: Final = 3
_WEEK_DAYS: Final = 7


class Judgement(NamedTuple):
    """A count beside its baseline.

    `expected` of the span; `mean` and `spread` (standard deviation) of the baseline's weeks; the
    `probability` of so many or more if nothing has changed.
    """

    expected: float
    mean: float
    spread: float
    probability: float
    above: bool


def judge(count: int, days: int, weeks: Sequence[int]) -> Judgement | None:
    """Compare a count of so many days with the weeks before; None without FEWEST_WEEKS of them.

    If both come from Poisson processes of one rate, then of all complaints the share of the span is
    binomial: the conditional test of Przyborowski & Wilenski 1940, which knows that the baseline is
    a sample too. As complaints come in waves, the count must exceed the DEVIATIONS of the weeks as
    well.
    """
    if len(weeks) < FEWEST_WEEKS:
        return None
    mean = statistics.mean(weeks)
    spread = statistics.stdev(weeks)
    spans = days / _WEEK_DAYS
    probability = at_least(count, count + sum(weeks), spans / (spans + len(weeks)))
    stands_out = count > mean * spans + DEVIATIONS * spread * sqrt(spans)
    above = count >= FEWEST and probability < UNLIKELY and stands_out
    return Judgement(mean * spans, mean, spread, probability, above)


def at_least(successes: int, trials: int, p: float) -> float:
    """The probability of so many successes or more: the regularized incomplete beta function."""
    return float(betainc(successes, trials - successes + 1, p)) if successes else 1.0
