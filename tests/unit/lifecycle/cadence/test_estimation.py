"""Fits of simulated customers: the parameters are recovered, and poor material is refused."""

import math
from typing import Final

import numpy as np
import pytest

from services.lifecycle.cadence.estimation import (
    RefusedFit,
    RhythmFit,
    ValueFit,
    fit_rhythm,
    fit_value,
)
from services.lifecycle.cadence.likelihood import (
    PurchaseHistories,
    compress,
    rhythm_objective,
    value_objective,
)
from tests.support.simulated_buyers import simulate

TRUE: Final = {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 2.0}
IMPLAUSIBLE: Final = 20.0
"""Twice the gain in log-likelihood over the truth is chi-squared with 3 or 4 degrees of freedom.

It is above 20 in 0.05 % of all cases.
"""


def test_the_parameters_of_simulated_customers_are_recovered() -> None:
    known = simulate(60_000, TRUE, seed=3)
    found = fit_rhythm(known)
    assert isinstance(found, RhythmFit)
    for name, true in TRUE.items():
        assert getattr(found, name) == pytest.approx(true, rel=0.12), name
    truth = -rhythm_objective(known)(np.log(list(TRUE.values())))[0]
    assert 0 <= 2 * (found.log_likelihood - truth) < IMPLAUSIBLE


def test_weeks_may_be_scaled_without_another_fit() -> None:
    known = simulate(3_000, TRUE)
    scaled = PurchaseHistories(known.x, known.tx * 7, known.T * 7, known.count)
    weeks = fit_rhythm(known)
    in_days = fit_rhythm(scaled)
    assert isinstance(weeks, RhythmFit)
    assert isinstance(in_days, RhythmFit)
    assert in_days.alpha == pytest.approx(7 * weeks.alpha, rel=1e-4)
    assert in_days.log_likelihood == pytest.approx(
        weeks.log_likelihood - weeks.repeats * math.log(7)
    )
    assert weeks.log_likelihood == pytest.approx(
        -rhythm_objective(known)(np.log([weeks.r, weeks.alpha, weeks.a, weeks.b]))[0]
    )


def test_the_values_of_simulated_customers_are_recovered() -> None:
    random = np.random.default_rng(5)
    true = (5.0, 4.0, 2_000.0)
    x = random.integers(1, 9, 40_000).astype(float)
    mean_values = random.gamma(true[0] * x, 1 / random.gamma(true[1], 1 / true[2], len(x))) / x
    found = fit_value(x, mean_values)
    assert isinstance(found, ValueFit)
    assert (found.p, found.q, found.gamma) == pytest.approx(true, rel=0.13)
    truth = -value_objective(x, mean_values)(np.log(true))[0]
    assert 0 <= 2 * (found.log_likelihood - truth) < IMPLAUSIBLE


def test_money_may_be_in_cents_or_dollars() -> None:
    random = np.random.default_rng(5)
    x = np.full(900, 2.0)
    dollars = random.gamma(12.0, 1 / random.gamma(4.0, 1 / 20, 900)) / 2
    in_dollars = fit_value(x, dollars)
    in_cents = fit_value(x, dollars * 100)
    assert isinstance(in_dollars, ValueFit)
    assert isinstance(in_cents, ValueFit)
    assert in_cents.gamma == pytest.approx(100 * in_dollars.gamma, rel=1e-4)
    assert in_cents.log_likelihood == pytest.approx(in_dollars.log_likelihood - 900 * math.log(100))


def test_who_never_paid_for_a_repeat_purchase_tells_nothing_about_values() -> None:
    random = np.random.default_rng(5)
    x = np.full(900, 2.0)
    worth = random.gamma(12.0, 1 / random.gamma(4.0, 1 / 20, 900)) / 2
    found = fit_value(np.append(x, [0.0, 3.0]), np.append(worth, [50.0, 0.0]))
    assert not isinstance(found, RefusedFit)
    assert (found.customers, found.repeats) == (900, 1_800)


def test_few_customers_are_no_basis() -> None:
    assert fit_rhythm(compress([2] * 499, [3] * 499, [9] * 499)) == RefusedFit(
        "only 499 customers, 500 are needed", 499, 998
    )


def test_few_repeat_purchases_are_no_basis() -> None:
    known = compress([1, 0], [3, 0], [9, 9], [199, 1_000])
    assert fit_rhythm(known) == RefusedFit("only 199 repeat purchases, 200 are needed", 1_199, 199)
    found = fit_value([1] * 199, [20] * 199)
    assert found == RefusedFit("only 199 repeat purchases of some value, 200 are needed", 199, 199)


def test_a_shop_that_nobody_leaves_has_no_cadence_of_leaving() -> None:
    found = fit_rhythm(simulate(4_000, {"r": 2.0, "alpha": 4.0, "a": 1e-9, "b": 5.0}))
    assert isinstance(found, RefusedFit)
    assert found.reason.startswith("next to nobody drops out: a/(a+b) = ")


def test_a_shop_whose_customers_are_all_alike_does_not_converge() -> None:
    found = fit_rhythm(simulate(20_000, {"r": 1.0, "alpha": 3.0, "a": 3e7, "b": 7e7}))
    assert isinstance(found, RefusedFit)
    assert found.reason.startswith("the likelihood has not converged: its slope is still ")


def test_values_that_are_all_alike_do_not_converge() -> None:
    found = fit_value(np.full(600, 2.0), np.full(600, 20.0))
    assert isinstance(found, RefusedFit)
    assert found.reason.startswith("the likelihood has not converged: its slope is still ")


def test_values_without_a_mean_are_refused() -> None:
    random = np.random.default_rng(5)
    found = fit_value(
        np.full(5_000, 3.0), random.gamma(15.0, 1 / random.gamma(0.7, 1 / 20, 5_000)) / 3
    )
    assert isinstance(found, RefusedFit)
    assert found.reason.startswith("the values have no finite mean: q = 0.")
