"""The cadence model: what silence means for a customer with this rhythm of purchases (MBG/NBD and Gamma-Gamma).

Throughout, `x` counts repeat purchases (days with an order after the first such day), `tx` is the time from the first
to the last purchase, `T` the time from the first purchase to now. Sources: Batislam, Denizel & Filiztekin 2007,
"Empirical validation and comparison of models for customer base analysis" (MBG/NBD); Fader & Hardie 2013, "The
Gamma-Gamma model of monetary value".
"""

from datetime import datetime, timedelta
from functools import lru_cache
from math import cos, exp, expm1, log, log1p, pi
from operator import mul
from typing import Final

import msgspec

from shared.events.transitions import Outlook

WEEK: Final = 7.0
"""Days of the model's unit of time."""
MONTH: Final = 365.25 / 12 / WEEK
"""Weeks."""
LONGEST_SILENCE: Final = timedelta(days=1826)
"""No silence is waited for longer: five years."""
_MINUTES_A_DAY: Final = 24 * 60
_MINUTES_A_WEEK: Final = 7 * _MINUTES_A_DAY
_PRECISION: Final = 1e-14
_TINY: Final = 1e-200
_LARGE: Final = 1e200
_STEEPEST: Final = -30.0
_DEGREE: Final = 8
_SHARES: Final = tuple((1 - cos(pi * k / _DEGREE)) / 2 for k in range(_DEGREE + 1))
_WEIGHTS: Final = tuple((0.5 if k in (0, _DEGREE) else 1.0) * (-1) ** k for k in range(_DEGREE + 1))


class Fit(msgspec.Struct, frozen=True, cache_hash=True):
    """One version of the model's parameters, in force for purchases from `effective_at` on.

    `r`, `alpha` (weeks), `a`, `b` are those of MBG/NBD; `p`, `q`, `gamma` (minor units of `currency`) of Gamma-Gamma.
    """

    version: int
    effective_at: datetime
    r: float
    alpha: float
    a: float
    b: float
    p: float | None = None
    q: float | None = None
    gamma: float | None = None
    currency: str | None = None


def p_alive(fit: Fit, x: int, tx: float, T: float) -> float:  # noqa: N803 (T is the literature's name)
    """The probability that the customer has not dropped out by `T`; times in weeks. Below 1 for one-time buyers too.

    Batislam et al. 2007: 1 / (1 + a/(b+x) · ((α+T)/(α+tx))^(r+x)).
    """
    odds = _log_odds_of_loss(fit, x, tx, T)
    return 1 / (1 + exp(odds)) if odds < 0 else exp(-odds) / (1 + exp(-odds))


def p_no_purchase(fit: Fit, x: int, tx: float, T: float, horizon: float) -> float:  # noqa: N803
    """The probability of no purchase in (T, T + horizon]; times in weeks.

    1 − P(alive) · (1 − ((α+T)/(α+T+H))^(r+x)): the next gap of a live customer is a gamma mixture of exponentials.
    """
    return 1 - p_alive(fit, x, tx, T) * -expm1(-(fit.r + x) * log1p(horizon / (fit.alpha + T)))


def expected_orders(fit: Fit, x: int, tx: float, T: float, span: float) -> float:  # noqa: N803
    """The number of purchases expected in (T, T + span]; times in weeks.

    Batislam et al. 2007: P(alive) · (a+b+x)/(a−1) · [1 − ((α+T)/(α+T+t))^(r+x) · 2F1(r+x, b+x+1; a+b+x; t/(α+T+t))].
    """
    return p_alive(fit, x, tx, T) * _orders_of_the_living(fit, x, fit.alpha + T, span)


def expected_value(fit: Fit, x: int, mean_value: float) -> float | None:
    """The value expected of a purchase whose `x` repeat purchases were worth `mean_value` on average; in minor units.

    Fader & Hardie 2013: p·(γ + x·m) / (p·x + q − 1), the customer's own mean drawn towards that of all.
    None where the fit knows no values.
    """
    if fit.p is None or fit.q is None or fit.gamma is None:
        return None
    return fit.p * (fit.gamma + x * mean_value) / (fit.p * x + fit.q - 1)


def clv(
    fit: Fit,
    x: int,
    tx: float,
    T: float,  # noqa: N803
    value: float,
    margin_rate: float,
    discount_rate: float,
    months: int = 36,
) -> float:
    """The customer lifetime value in the unit of `value`: the margins expected of the next `months`, each discounted.

    Times in weeks, `discount_rate` a year; a month's margin counts as earned at its end. The sum of Fader, Hardie & Lee
    2005, "RFM and CLV", cut off after `months`.
    """
    orders = p_alive(fit, x, tx, T) * _discounted_orders(
        fit, x, fit.alpha + T, discount_rate, months
    )
    return margin_rate * value * orders


@lru_cache(maxsize=1 << 16)
def silence_limit(
    fit: Fit, x: int, tx_days: int, horizon_days: int, probability: float
) -> timedelta:
    """How long after the last purchase P(no purchase in the next `horizon_days`) first exceeds `probability`.

    `tx_days` are whole days. At most LONGEST, in whole minutes rounded up, so that it does not hang on the last bit.
    """
    horizon, spent = horizon_days / WEEK, 1 - probability
    rate, bought = fit.r + x, fit.alpha + tx_days / WEEK
    base, low, high = log(fit.a) - log(fit.b + x), -1, LONGEST_SILENCE.days * _MINUTES_A_DAY
    while high - low > 1:
        middle = (low + high) // 2
        now = bought + middle / _MINUTES_A_WEEK
        # P(alive)·P(purchase | alive) < spent, solved for the odds of loss, whose logarithm cannot overflow.
        excess = -expm1(-rate * log1p(horizon / now)) - spent
        if excess <= 0 or base + rate * log(now / bought) > log(excess / spent):
            high = middle
        else:
            low = middle
    return timedelta(minutes=high)


def estimate_outlook(
    fit: Fit,
    x: int,
    tx_days: int,
    T_days: int,  # noqa: N803
    mean_value: float | None,
    margin_rate: float,
    horizon_days: int,
    discount_rate: float,
) -> Outlook:
    """What to expect of a customer; times in whole days (x ≤ tx), `discount_rate` a year, money in minor units.

    `mean_value` is that of the `x` repeat purchases in the fit's currency (any number if x = 0), None where unknown.
    """
    alive, silent, orders, discounted = _rhythm(
        fit, x, tx_days, T_days, horizon_days, discount_rate
    )
    value = None if mean_value is None else expected_value(fit, x, mean_value)
    worth = None if value is None else margin_rate * value * discounted
    return Outlook(alive, silent, orders, value, worth, fit.version)


@lru_cache(maxsize=1 << 16)
def _rhythm(
    fit: Fit,
    x: int,
    tx_days: int,
    T_days: int,  # noqa: N803
    horizon_days: int,
    discount_rate: float,
) -> tuple[float, float, float, float]:
    """P(alive), P(no purchase), orders in 12 months, discounted orders in 36: all that does not hang on money."""
    past = (fit, x, tx_days / WEEK, T_days / WEEK)
    return (
        p_alive(*past),
        p_no_purchase(*past, horizon_days / WEEK),
        expected_orders(*past, 12 * MONTH),
        clv(*past, value=1, margin_rate=1, discount_rate=discount_rate),
    )


def _log_odds_of_loss(fit: Fit, x: int, tx: float, T: float) -> float:  # noqa: N803
    """log((1 − P(alive)) / P(alive))."""
    return log(fit.a) - log(fit.b + x) + (fit.r + x) * log((fit.alpha + T) / (fit.alpha + tx))


def _discounted_orders(
    fit: Fit, x: int, exposure: float, discount_rate: float, months: int
) -> float:
    """Orders of a customer alive at the beginning, each weighed by what a unit of money at its month's end is worth."""
    before, total = 0.0, 0.0
    for month, after in enumerate(_orders_by_month(fit, x, exposure, months), start=1):
        total += (after - before) * (1 + discount_rate) ** (-month / 12)
        before = after
    return total


def _orders_by_month(fit: Fit, x: int, exposure: float, months: int) -> list[float]:
    """Orders of the living up to the end of each month, interpolated between _DEGREE + 1 points.

    As a function of log(1 + t/exposure) they have no singularity, so the polynomial through the Chebyshev points
    (Berrut & Trefethen 2004, "Barycentric Lagrange interpolation") is off by 1e-5 at most and saves most series.
    """
    end = log1p(months * MONTH / exposure)
    points = [end * share for share in _SHARES]
    orders = [
        0.0,
        *(_orders_of_the_living(fit, x, exposure, exposure * expm1(point)) for point in points[1:]),
    ]
    found = []
    for month in range(1, months):
        here = log1p(month * MONTH / exposure)
        pulls = [
            weight / (here - point or _TINY) for weight, point in zip(_WEIGHTS, points, strict=True)
        ]
        found.append(sum(map(mul, pulls, orders)) / sum(pulls))
    return [*found, orders[-1]]


def _orders_of_the_living(fit: Fit, x: int, exposure: float, span: float) -> float:
    """Purchases expected in `span` of a customer alive at its beginning; `exposure` is α + T."""
    z, c, epsilon = span / (exposure + span), fit.a + fit.b + x, fit.a - 1
    u, logged = fit.a + fit.b - fit.r, epsilon * log1p(-z)
    if u < -c or logged < _STEEPEST:
        return c * _orders_before_loss(fit.r + x, c, epsilon, z)
    # Euler's transformation of the 2F1, with its 1 taken out, so that nothing cancels near a = 1 or at large x:
    # [1 − (1−z)^ε · (1 + ε·S)] / ε.
    growth = -expm1(logged) / epsilon if epsilon else -log1p(-z)
    return c * (growth - exp(logged) * hypergeometric_rest(u, epsilon, c, z))


def hypergeometric_rest(u: float, epsilon: float, c: float, z: float) -> float:
    """(2F1(u, ε; c; z) − 1) / ε by its power series, for 0 ≤ z < 1; finite at ε = 0 too."""
    # Without the factor u of all terms, which might be so small that they stop shrinking.
    term = total = z / c
    n, enough = 1, _PRECISION * (1 - z)
    while abs(term) > enough * abs(total):
        term *= (u + n) * (epsilon + n) / ((c + n) * (n + 1)) * z
        total += term
        n += 1
    return u * total


def _orders_before_loss(rate: float, c: float, epsilon: float, z: float) -> float:
    """The same bracket where customers hardly differ (large r or a) and that series would cancel or overflow.

    Occasions are negative binomial; the sum weighs what is bought on n occasions, with only positive terms.
    """
    weight, bought, weights, total, n = 1.0, 0.0, 1.0, 0.0, 0
    while n <= rate * z / (1 - z) or weight > _PRECISION * (1 - z) * weights:
        bought += (1 - epsilon * bought) / (c + n)
        weight *= (rate + n) / (n + 1) * z
        n += 1
        weights += weight
        total += weight * bought
        if weights > _LARGE:
            weight, weights, total = weight / _LARGE, weights / _LARGE, total / _LARGE
    return total / weights
