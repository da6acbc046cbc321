"""Complaints beside their baseline: chance, and the usual ups and downs."""

from math import comb

import pytest

from services.lifecycle.figures.sources.baseline import at_least, judge

STEADY = [1] * 8
WAVES = [1, 1, 1, 10, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("count", "days", "weeks", "above"),
    [
        (6, 7, STEADY, False),
        (7, 7, STEADY, True),
        (4, 7, [0] * 8, False),
        (5, 7, [0] * 8, True),
        (11, 7, WAVES, False),
        (12, 7, WAVES, True),
        (26, 56, STEADY, False),
        (27, 56, STEADY, True),
    ],
)
def test_a_count_is_above_if_it_is_many_improbable_and_outstanding(
    count: int, days: int, weeks: list[int], above: bool
) -> None:
    found = judge(count, days, weeks)
    assert found is not None
    assert found.above is above


def test_waves_of_complaints_are_improbable_but_do_not_stand_out() -> None:
    found = judge(11, 7, WAVES)
    assert found is not None
    assert found.probability < 0.001


def test_three_weeks_are_no_baseline() -> None:
    assert judge(100, 7, [1, 1, 1]) is None


@pytest.mark.parametrize("n", [0, 1, 7, 15])
def test_the_probability_is_the_binomial_tail(n: int) -> None:
    assert at_least(n, 15, 0.25) == pytest.approx(
        sum(comb(15, k) * 0.25**k * 0.75 ** (15 - k) for k in range(n, 16))
    )
