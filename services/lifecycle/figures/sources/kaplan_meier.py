"""How long stays last when some have not ended: the estimate of Kaplan and Meier (1958)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class SurvivalStep(NamedTuple):
    """A day on which stays ended: how many had lasted until then, and the share that lasts on."""

    day: int
    at_risk: int
    ended: int
    survival: float


def survival_curve(ended: Mapping[int, int], running: Mapping[int, int]) -> list[SurvivalStep]:
    """The curve of survival, one step for each day on which it falls.

    `ended` are stays by their length in days, rounded up: the first day by which they had ended.
    `running` are stays by the age to which they have been watched, rounded down. So each stay is
    looked at once a day until it has ended or is not watched any more, and S(d), the share of stays
    longer than d days, is the product of (1 - ended on k / at risk on k) over all days k up to d.
    """
    found: list[SurvivalStep] = []
    survival = 1.0
    at_risk = sum(ended.values()) + sum(running.values())
    for day in sorted({*ended, *(age + 1 for age in running)}):
        at_risk -= running.get(day - 1, 0)
        if gone := ended.get(day, 0):
            survival *= 1 - gone / at_risk
            found.append(SurvivalStep(day, at_risk, gone, survival))
            at_risk -= gone
    return found


def median(curve: Sequence[SurvivalStep]) -> int | None:
    """The first day by which half of the stays have ended; None if that was not seen to happen."""
    return next((step.day for step in curve if step.survival <= 0.5), None)
