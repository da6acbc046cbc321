"""The cadence model: what silence means for a customer with this rhythm of purchases.

Throughout, `x` counts repeat purchases (days with an order after the first such day), `tx` is the
time from the first to the last purchase, `T` the time from the first purchase to now. Sources:
Batislam, Denizel & Filiztekin 2007, "Empirical validation and comparison of models for customer
base analysis" (MBG/NBD); Fader & Hardie 2013, "The Gamma-Gamma model of monetary value".
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

    `r`, `alpha` (weeks), `a`, `b` are those of MBG/NBD; `p`, `q`, `gamma` (minor units of
    `currency`) those of Gamma-Gamma.
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


def p_alive(fit: Fit, x: int, tx: float, T: float) -> float:  # noqa: N803
    """Return the probability that the customer has not dropped out by `T`; times in weeks.

    It is below 1 for one-time buyers too.
    Batislam et al. 2007: 1 / (1 + a/(b+x) · ((α+T)/(α+tx))^(r+x)).
    """
    odds = _log_odds_of_loss(fit, x, tx, T)
    return 1 / (1 + exp(odds)) if odds < 0 else exp(-odds) / (1 + exp(-odds))


def p_no_purchase(fit: Fit, x: int, tx: float, T: float, horizon: float) -> float:  # noqa: N803
    """Return the probability of no purchase in (T, T + horizon]; times in weeks.

    1 − P(alive) · (1 − ((α+T)/(α+T+H))^(r+x)): the next gap of a live customer is a gamma mixture
    of exponentials.
    """
    p_purchase_if_alive = -expm1(-(fit.r + x) * log1p(horizon / (fit.alpha + T)))
    return 1 - p_alive(fit, x, tx, T) * p_purchase_if_alive


def expected_orders(fit: Fit, x: int, tx: float, T: float, span: float) -> float:  # noqa: N803
    """Return the number of purchases expected in (T, T + span]; times in weeks.

    Batislam et al. 2007: P(alive) · (a+b+x)/(a−1) ·
    [1 − ((α+T)/(α+T+t))^(r+x) · 2F1(r+x, b+x+1; a+b+x; t/(α+T+t))].
    """
    return p_alive(fit, x, tx, T) * _orders_of_the_living(fit, x, fit.alpha + T, span)


def expected_value(fit: Fit, x: int, mean_value: float) -> float | None:
    """Return the value expected of a purchase, in minor units; None if the fit knows no values.

    `mean_value` is that of the customer's `x` repeat purchases. Fader & Hardie 2013:
    p·(γ + x·m) / (p·x + q − 1), the customer's own mean drawn towards that of all.
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
    """Return the customer lifetime value in the unit of `value`: discounted margins of `months`.

    Times in weeks, `discount_rate` a year; a month's margin counts as earned at its end. It is
    the sum of Fader, Hardie & Lee 2005, "RFM and CLV", cut off after `months`.
    """
    orders_if_alive = _discounted_orders(fit, x, fit.alpha + T, discount_rate, months)
    orders = p_alive(fit, x, tx, T) * orders_if_alive
    return margin_rate * value * orders


@lru_cache(maxsize=1 << 16)
def silence_limit(
    fit: Fit, x: int, tx_days: int, horizon_days: int, probability: float
) -> timedelta:
    """Return how long after the last purchase P(no purchase) first exceeds `probability`.

    P(no purchase) is that in the next `horizon_days`; `tx_days` are whole days. The result is at
    most LONGEST_SILENCE, in whole minutes rounded up, so that it does not hang on the last bit.
    """
    horizon = horizon_days / WEEK
    spent = 1 - probability
    rate = fit.r + x
    bought = fit.alpha + tx_days / WEEK
    base = log(fit.a) - log(fit.b + x)
    low = -1
    high = LONGEST_SILENCE.days * _MINUTES_A_DAY
    while high - low > 1:
        middle = (low + high) // 2
        now = bought + middle / _MINUTES_A_WEEK
        # P(alive)·P(purchase | alive) < spent, solved for the odds of loss: their logarithm
        # cannot overflow.
        excess = -expm1(-rate * log1p(horizon / now)) - spent
        if excess <= 0 or base + rate * log(now / bought) > log(excess / spent):
            high = middle
        else:
            low = middle
    return timedelta(minutes=high)


def outlook_by_rhythm(
    fit: Fit,
    x: int,
    tx_days: int,
    T_days: int,  # noqa: N803
    mean_value: float | None,
    margin_rate: float,
    horizon_days: int,
    discount_rate: float,
) -> Outlook:
    """Return what to expect of a customer.

    Times are in whole days (x ≤ tx), `discount_rate` a year, money in minor units. `mean_value`
    is that of the `x` repeat purchases in the fit's currency (any number if x = 0), None where
    unknown.
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
    """Return P(alive), P(no purchase), orders in 12 months, and discounted orders in 36.

    They do not depend on money, so few customers differ in them.
    """
    past = (fit, x, tx_days / WEEK, T_days / WEEK)
    return (
        p_alive(*past),
        p_no_purchase(*past, horizon_days / WEEK),
        expected_orders(*past, 12 * MONTH),
        clv(*past, value=1, margin_rate=1, discount_rate=discount_rate),
    )


def _log_odds_of_loss(fit: Fit, x: int, tx: float, T: float) -> float:  # noqa: N803
    """Return log((1 − P(alive)) / P(alive))."""
    return log(fit.a) - log(fit.b + x) + (fit.r + x) * log((fit.alpha + T) / (fit.alpha + tx))


def _discounted_orders(
    fit: Fit, x: int, exposure: float, discount_rate: float, months: int
) -> float:
    """Return the orders of a customer alive at the start, each discounted by its month's end."""
    before = 0.0
    total = 0.0
    for month, after in enumerate(_orders_by_month(fit, x, exposure, months), start=1):
        total += (after - before) * (1 + discount_rate) ** (-month / 12)
        before = after
    return total


def _orders_by_month(fit: Fit, x: int, exposure: float, months: int) -> list[float]:
    """Return the orders of the living up to the end of each month, interpolated.

    As a function of log(1 + t/exposure) they have no singularity, so the polynomial through
    _DEGREE + 1 Chebyshev points (Berrut & Trefethen 2004, "Barycentric Lagrange interpolation")
    is off by 1e-5 at most and saves most series.
    """
    end = log1p(months * MONTH / exposure)
    points = [end * share for share in _SHARES]
    spans = [exposure * expm1(point) for point in points[1:]]
    orders = [0.0, *(_orders_of_the_living(fit, x, exposure, span) for span in spans)]
    by_month = []
    for month in range(1, months):
        here = log1p(month * MONTH / exposure)
        pulls = [
            weight / (here - point or _TINY) for weight, point in zip(_WEIGHTS, points, strict=True)
        ]
        by_month.append(sum(map(mul, pulls, orders)) / sum(pulls))
    return [*by_month, orders[-1]]


def _orders_of_the_living(fit: Fit, x: int, exposure: float, span: float) -> float:
    """Return the purchases in `span` of a customer alive at its start; `exposure` is α + T."""
    z = span / (exposure + span)
    c = fit.a + fit.b + x
    epsilon = fit.a - 1
    u = fit.a + fit.b - fit.r
    logged = epsilon * log1p(-z)
    if u < -c or logged < _STEEPEST:
        return c * _orders_before_loss(fit.r + x, c, epsilon, z)
    # Euler's transformation of the 2F1, with its 1 taken out, so that nothing cancels near a = 1
    # or at large x: [1 − (1−z)^ε · (1 + ε·S)] / ε.
    growth = -expm1(logged) / epsilon if epsilon else -log1p(-z)
    return c * (growth - exp(logged) * hypergeometric_rest(u, epsilon, c, z))


def hypergeometric_rest(u: float, epsilon: float, c: float, z: float) -> float:
    """Return (2F1(u, ε; c; z) − 1) / ε by its power series, for 0 ≤ z < 1; finite at ε = 0 too."""
    # Without the factor u of all terms, which might be so small that they stop shrinking.
    term = z / c
    total = term
    n = 1
    enough = _PRECISION * (1 - z)
    while abs(term) > enough * abs(total):
        term *= (u + n) * (epsilon + n) / ((c + n) * (n + 1)) * z
        total += term
        n += 1
    return u * total


def _orders_before_loss(rate: float, c: float, epsilon: float, z: float) -> float:
    """Return the same bracket where customers hardly differ (large r or a).

    There that series would cancel or overflow. Occasions are negative binomial; the sum weighs
    what is bought on n occasions, with only positive terms.
    """
    weight = 1.0
    weights = 1.0
    bought = 0.0
    total = 0.0
    n = 0
    while n <= rate * z / (1 - z) or weight > _PRECISION * (1 - z) * weights:
        bought += (1 - epsilon * bought) / (c + n)
        weight *= (rate + n) / (n + 1) * z
        n += 1
        weights += weight
        total += weight * bought
        if weights > _LARGE:
            weight /= _LARGE
            weights /= _LARGE
            total /= _LARGE
    return total / weights
