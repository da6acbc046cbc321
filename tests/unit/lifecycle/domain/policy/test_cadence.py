"""The cadence model: its formulae against published figures, quadrature and simulation."""

import math
from datetime import timedelta
from statistics import mean

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import hyp2f1
from scipy.stats import beta

from services.lifecycle.domain.policy.cadence import (
    LONGEST_SILENCE,
    MONTH,
    Fit,
    clv,
    expected_orders,
    expected_value,
    hypergeometric_rest,
    outlook_by_rhythm,
    p_alive,
    p_no_purchase,
    silence_limit,
)
from tests.support.builders import DAY_0
from tests.support.simulated_buyers import simulate

# CDNOW, 39 weeks: MBG/NBD of all 23,570 customers; Gamma-Gamma of Fader & Hardie 2013
# (6.25, 3.74, 15.44), in cents.
CDNOW = Fit(7, DAY_0, 0.63713973, 7.31028954, 0.80747412, 1.228394, 6.25, 3.74, 1544.0, "USD")
TRUE = {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 2.0}

fits = st.builds(
    lambda r, alpha, a, b: Fit(1, DAY_0, r, alpha, a, b),
    *(
        st.floats(low, high)
        for low, high in ((0.05, 50), (0.5, 100), (0.05, 5_000), (0.05, 50_000))
    ),
)
untimed = settings(deadline=None)
counts = st.integers(0, 10_000)
days = st.integers(0, 2_000)


def live_orders(fit: Fit, x: int, exposure: float, span: float) -> float:
    """E[(1 − e^(−λps))/p] of the living by quadrature: λ ~ gamma(r+x, α+T), p ~ beta(a, b+x+1)."""

    def bought(p: float) -> float:
        return (
            -math.expm1(-(fit.r + x) * math.log1p(p * span / exposure)) / p
            if p
            else (fit.r + x) * span / exposure
        )

    lost = beta(fit.a, fit.b + x + 1)
    found, _ = quad(lambda share: bought(lost.ppf(share)), 0, 1, limit=200)
    return float(found)


def test_a_one_time_buyer_may_be_lost() -> None:
    # By hand, r = α = a = b = 1, 3 weeks after the only purchase: 1 / (1 + 1/1 · (4/1)^1).
    assert p_alive(Fit(1, DAY_0, 1, 1, 1, 1), 0, 0, 3) == pytest.approx(1 / 5)


def test_a_customer_who_has_just_come_back_may_have_dropped_out_at_that_purchase() -> None:
    # By hand: 1 / (1 + a/(b+x)) = 1 / (1 + 0.5/(1.5+2)).
    assert p_alive(Fit(1, DAY_0, 1, 1, 0.5, 1.5), 2, 6, 6) == pytest.approx(7 / 8)


def test_the_chance_of_no_purchase_is_that_of_the_lost_and_of_the_slow() -> None:
    # By hand: P(alive) = 1/5; a live customer of gamma(1, 4) buys within 4 weeks with 1 − 4/8.
    assert p_no_purchase(Fit(1, DAY_0, 1, 1, 1, 1), 0, 0, 3, 4) == pytest.approx(1 - 1 / 5 * 1 / 2)


def test_expected_orders_are_those_of_the_published_formula() -> None:
    # Batislam et al. 2007, with scipy's 2F1.
    fit = CDNOW
    x = 2
    tx = 30.43
    known = 38.86
    span = 39.0
    z = span / (fit.alpha + known + span)
    c = fit.a + fit.b + x
    bracket = 1 - (1 - z) ** (fit.r + x) * hyp2f1(fit.r + x, fit.b + x + 1, c, z)
    published = p_alive(fit, x, tx, known) * c / (fit.a - 1) * bracket
    assert expected_orders(fit, x, tx, known, span) == pytest.approx(published, rel=1e-12)


@pytest.mark.parametrize(
    ("r", "alpha", "a", "b"),
    [
        (0.637, 7.31, 0.807, 1.228),
        (1.257, 6.038, 1.0, 0.716),
        (60, 3, 1.7, 0.5),
        (900, 10, 2, 3),
        (0.6, 7, 400, 900),
    ],
    ids=[
        "CDNOW",
        "at the removable pole",
        "rates differ little",
        "and hardly",
        "chances of loss hardly differ",
    ],
)
@pytest.mark.parametrize("x", [0, 3, 40])
def test_expected_orders_are_those_of_the_mixture(
    r: float, alpha: float, a: float, b: float, x: int
) -> None:
    fit = Fit(1, DAY_0, r, alpha, a, b)
    found = expected_orders(fit, x, 20, 20, 52) / p_alive(fit, x, 20, 20)
    assert found == pytest.approx(live_orders(fit, x, fit.alpha + 20, 52), rel=1e-6)


@untimed
@given(st.floats(-1.5, 8), st.floats(-0.95, 6), st.floats(0, 40), st.floats(0.01, 0.97))
@example(u=5e-324, epsilon=1, extra=0, z=0.9)
def test_the_series_is_the_hypergeometric_function(
    u: float, epsilon: float, extra: float, z: float
) -> None:
    c = abs(u) + 0.3 + extra
    expected = hyp2f1(u, epsilon, c, z)
    assert 1 + epsilon * hypergeometric_rest(u, epsilon, c, z) == pytest.approx(
        expected, rel=1e-8, abs=1e-8
    )


def test_expected_value_is_that_of_the_paper() -> None:
    # Fader & Hardie 2013, CDNOW, in dollars: no repeat purchase 35.17; and 35.02175699 for three
    # of 35 each on average.
    assert expected_value(CDNOW, 0, 0) == pytest.approx(3517, abs=5)
    by_sample = Fit(1, DAY_0, 1, 1, 1, 1, 6.24955253, 3.744215362, 15.44353094)
    assert expected_value(by_sample, 3, 35) == pytest.approx(35.02175699, rel=1e-8)


def test_a_fit_without_values_expects_none() -> None:
    fit = Fit(1, DAY_0, 1, 1, 1, 1)
    assert expected_value(fit, 2, 1000) is None
    assert outlook_by_rhythm(fit, 2, 10, 20, 1000, 0.3, 180, 0.1).clv is None


@pytest.mark.parametrize("past", [(0, 0, 0), (3, 20, 25), (60, 50, 80)])
def test_clv_is_the_sum_of_the_discounted_margins_of_each_month(
    past: tuple[int, float, float],
) -> None:
    ends = [expected_orders(CDNOW, *past, month * MONTH) for month in range(37)]
    margins = ((ends[m] - ends[m - 1]) * 4_000 * 0.3 / 1.1 ** (m / 12) for m in range(1, 37))
    assert clv(CDNOW, *past, 4_000, 0.3, 0.1) == pytest.approx(sum(margins), rel=2e-6)


def test_clv_without_discount_over_a_year_is_the_margin_of_the_orders_expected() -> None:
    orders = expected_orders(CDNOW, 1, 4, 9, 12 * MONTH)
    assert clv(CDNOW, 1, 4, 9, 1_000, 0.5, 0.0, months=12) == pytest.approx(500 * orders, rel=1e-9)


@untimed
@given(fits, counts, days, days, st.floats(0.1, 300))
def test_probabilities_are_probabilities_and_fall_with_silence(
    fit: Fit, x: int, tx: int, more: int, horizon: float
) -> None:
    tx = tx if x else 0
    alive = [p_alive(fit, x, tx / 7, (tx + quiet) / 7) for quiet in (0, more, more + 30)]
    silent = [
        p_no_purchase(fit, x, tx / 7, (tx + quiet) / 7, horizon) for quiet in (0, more, more + 30)
    ]
    assert 1 >= alive[0] >= alive[1] >= alive[2] >= 0
    assert 0 <= silent[0] <= silent[1] + 1e-12 <= silent[2] + 2e-12 <= 1 + 2e-12


@untimed
@given(fits, counts, days, days)
def test_an_outlook_is_finite_and_nobody_buys_less_than_nothing(
    fit: Fit, x: int, more: int, quiet: int
) -> None:
    tx = x + more if x else 0
    found = outlook_by_rhythm(fit, x, tx, tx + quiet, None, 0.3, 180, 0.1)
    assert 0 <= found.expected_orders_12m < math.inf
    assert found.expected_orders_12m <= 12 * MONTH * (fit.r + x) / (
        fit.alpha + (tx + quiet) / 7
    ) * (1 + 1e-9)


@untimed
@given(fits, counts, days, st.integers(1, 400), st.floats(0.05, 0.95))
def test_silence_ends_where_the_probability_first_exceeds(
    fit: Fit, x: int, tx: int, horizon: int, probability: float
) -> None:
    tx = tx if x else 0
    found = silence_limit(fit, x, tx, horizon, probability)
    assert timedelta(0) <= found <= LONGEST_SILENCE
    assert found % timedelta(minutes=1) == timedelta(0)

    def exceeded(quiet: timedelta) -> float:
        known = tx / 7 + quiet / timedelta(weeks=1)
        return p_no_purchase(fit, x, tx / 7, known, horizon / 7) - probability

    if found < LONGEST_SILENCE:
        assert exceeded(found) > -1e-9
    if found > timedelta(0):
        assert exceeded(found - timedelta(minutes=1)) < 1e-9


@untimed
@given(fits, counts, days, st.floats(0.05, 0.85))
def test_a_greater_probability_takes_a_longer_silence(
    fit: Fit, x: int, tx: int, probability: float
) -> None:
    tx = tx if x else 0
    assert silence_limit(fit, x, tx, 180, probability) <= silence_limit(
        fit, x, tx, 180, probability + 0.1
    )


def test_who_buys_often_is_missed_sooner() -> None:
    waits = [silence_limit(CDNOW, x, 180, 180, 0.65) for x in (5, 10, 20, 40, 10_000)]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] > timedelta(days=60)
    assert waits[-1] < timedelta(days=1)


def test_a_regular_buyer_of_ten_thousand_orders_overflows_nothing() -> None:
    found = outlook_by_rhythm(CDNOW, 10_000, 1_000, 100_000, 5_000, 0.3, 180, 0.1)
    assert found.p_alive == pytest.approx(0)
    assert found.p_no_purchase == 1
    assert found.clv == pytest.approx(0)


def test_an_outlook_says_what_the_functions_say_in_weeks() -> None:
    past = (CDNOW, 4, 100 / 7, 140 / 7)
    found = outlook_by_rhythm(CDNOW, 4, 100, 140, 2_500, 0.3, 180, 0.1)
    value = expected_value(CDNOW, 4, 2_500)
    assert value is not None
    assert (found.p_alive, found.p_no_purchase) == (p_alive(*past), p_no_purchase(*past, 180 / 7))
    assert (found.expected_orders_12m, found.expected_value) == (
        expected_orders(*past, 12 * MONTH),
        value,
    )
    assert found.clv == pytest.approx(clv(*past, value, 0.3, 0.1))
    assert found.fit == 7


def test_the_model_agrees_with_what_its_own_customers_do() -> None:
    seen = simulate(200_000, TRUE, seed=11)
    never = float(seen.count[seen.x == 0].sum()) / seen.customers
    fit = Fit(1, DAY_0, TRUE["r"], TRUE["alpha"], TRUE["a"], TRUE["b"])
    expected_never = mean(p_no_purchase(fit, 0, 0, 0, known) for known in seen.T[::100])
    expected_mean = mean(expected_orders(fit, 0, 0, 0, known) for known in seen.T[::100])
    assert never == pytest.approx(expected_never, abs=0.005)
    assert seen.repeats / seen.customers == pytest.approx(expected_mean, rel=0.02)
