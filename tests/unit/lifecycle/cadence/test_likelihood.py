"""The likelihood of purchases against hand calculation, and its gradients against slopes."""

import math
from typing import Final

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from services.lifecycle.cadence.likelihood import compress, rhythm_objective, value_objective
from tests.support.simulated_buyers import simulate

TRUE: Final = {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 2.0}


def test_identical_histories_are_one_row() -> None:
    found = compress([0, 2, 0, 2], [0, 3, 0, 3], [9, 9, 9, 8], [5, 1, 2, 4])
    rows = zip(found.x, found.tx, found.T, found.count, strict=True)
    assert sorted(rows) == [(0, 0, 9, 7), (2, 3, 8, 4), (2, 3, 9, 1)]
    assert (found.customers, found.repeats) == (12, 10)


@pytest.mark.parametrize("row", [(1, 5, 4), (-1, 0, 4), (1, -1, 4), (0, 1, 4)])
def test_an_impossible_history_is_an_error(row: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="a history needs"):
        compress(*([value] for value in row))


def test_the_likelihood_of_one_history_is_the_mixture_of_its_two_endings() -> None:
    # λ^x·(1−p)^x · [(1−p)·e^(−λT) + p·e^(−λtx)] under r = α = 1 (λ exponential),
    # a = b = 1 (p uniform), x = 1, by hand:
    # ∫λe^(−λ(1+T))dλ · ∫(1−p)²dp + ∫λe^(−λ(1+tx))dλ · ∫p(1−p)dp = 1/(1+T)² · 1/3 + 1/(1+tx)² · 1/6.
    value, _ = rhythm_objective(compress([1], [2], [4]))(np.zeros(4))
    assert math.exp(-value) == pytest.approx(1 / 25 / 3 + 1 / 9 / 6)


def test_the_gradient_of_the_rhythm_is_the_slope() -> None:
    objective = rhythm_objective(simulate(300, TRUE))
    logs = np.log([0.6, 8.0, 0.7, 3.0])
    slopes = approx_fprime(logs, lambda point: objective(point)[0], 1e-6)
    assert objective(logs)[1] == pytest.approx(slopes, rel=1e-4, abs=1e-2)


def test_the_gradient_of_the_values_is_the_slope() -> None:
    objective = value_objective(np.array([1.0, 2.0, 7.0]), np.array([30.0, 12.0, 55.0]))
    logs = np.log([2.0, 3.0, 20.0])
    assert objective(logs)[1] == pytest.approx(
        approx_fprime(logs, lambda point: objective(point)[0], 1e-7), rel=1e-4
    )
