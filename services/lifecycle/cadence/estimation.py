"""Fits the cadence model to the purchases of all customers, by maximum likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from services.lifecycle.cadence.likelihood import (
    Floats,
    Objective,
    PurchaseHistories,
    rhythm_objective,
    value_objective,
)

LEAST_CUSTOMERS: Final = 500
LEAST_REPEATS: Final = 200
LEAST_DROP_OUT: Final = 0.001
_RHYTHM_STARTS: Final = ((0.0, 0.0, 0.0, 0.0), (-1.0, -1.0, -1.0, 1.0), (1.0, 1.0, -2.0, 0.0))
_VALUE_STARTS: Final = ((1.0, 1.0, 0.0), (0.0, 0.5, 0.5), (2.0, 2.0, 1.0))
_FLAT: Final = 1e-6
"""A maximum counts as reached at this slope, per customer and logarithm of a parameter."""
_BOUND: Final = 15.0
"""Bounds the logarithm of each scaled parameter; a maximum beyond is refused for its slope."""


@dataclass(frozen=True, slots=True)
class RhythmFit:
    """The MBG/NBD parameters (`alpha` in weeks) that make these purchases most likely."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    customers: int
    repeats: int


@dataclass(frozen=True, slots=True)
class ValueFit:
    """The Gamma-Gamma parameters that make these values most likely; `gamma` is in their unit."""

    p: float
    q: float
    gamma: float
    log_likelihood: float
    customers: int
    repeats: int


@dataclass(frozen=True, slots=True)
class RefusedFit:
    """Why there are no parameters to rely on."""

    reason: str
    customers: int
    repeats: int


@dataclass(frozen=True, slots=True)
class _Optimum:
    parameters: Floats
    log_likelihood: float


def fit_rhythm(histories: PurchaseHistories) -> RhythmFit | RefusedFit:
    """Fit MBG/NBD (Batislam, Denizel & Filiztekin 2007), or say why there is no fit."""
    customers = histories.customers
    repeats = histories.repeats
    too_few = _why_too_few(customers, repeats)
    if too_few is not None:
        return RefusedFit(too_few, customers, repeats)
    scale = float(np.average(histories.T, weights=histories.count))
    objective = rhythm_objective(_scaled(histories, scale))
    optimum = _maximize(objective, _RHYTHM_STARTS, customers)
    r, alpha, a, b = (float(value) for value in np.exp(optimum.parameters))
    reason = _why_nobody_drops_out(a, b) or _why_unsettled(optimum, objective, customers)
    if reason is not None:
        return RefusedFit(reason, customers, repeats)
    # The likelihood is a density in time: each repeat purchase carries one unit, scaled back here.
    log_likelihood = optimum.log_likelihood - repeats * float(np.log(scale))
    return RhythmFit(r, alpha * scale, a, b, log_likelihood, customers, repeats)


def fit_value(x: npt.ArrayLike, mean: npt.ArrayLike) -> ValueFit | RefusedFit:
    """Fit Gamma-Gamma (Fader & Hardie 2013), or say why there is no fit.

    Each customer made `x` repeat purchases, worth `mean` on average. Customers without a repeat
    purchase, or with worthless ones, say nothing about values and are left out.
    """
    bought, worth = _of_some_value(x, mean)
    customers = len(bought)
    repeats = int(bought.sum())
    if repeats < LEAST_REPEATS:
        too_few = f"only {repeats} repeat purchases of some value, {LEAST_REPEATS} are needed"
        return RefusedFit(too_few, customers, repeats)
    scale = float(np.average(worth, weights=bought))
    objective = value_objective(bought, worth / scale)
    optimum = _maximize(objective, _VALUE_STARTS, customers)
    p, q, gamma = (float(value) for value in np.exp(optimum.parameters))
    reason = _why_unsettled(optimum, objective, customers) or _why_no_mean(q)
    if reason is not None:
        return RefusedFit(reason, customers, repeats)
    log_likelihood = optimum.log_likelihood - customers * float(np.log(scale))
    return ValueFit(p, q, gamma * scale, log_likelihood, customers, repeats)


def _scaled(histories: PurchaseHistories, scale: float) -> PurchaseHistories:
    return PurchaseHistories(
        histories.x, histories.tx / scale, histories.T / scale, histories.count
    )


def _of_some_value(x: npt.ArrayLike, mean: npt.ArrayLike) -> tuple[Floats, Floats]:
    bought = np.asarray(x, dtype=np.float64)
    worth = np.asarray(mean, dtype=np.float64)
    counts = (bought > 0) & (worth > 0)
    return bought[counts], worth[counts]


def _maximize(
    objective: Objective, starts: Sequence[tuple[float, ...]], customers: int
) -> _Optimum:
    """Return the best of the maxima found; another start is tried only while none has settled."""
    best: _Optimum | None = None
    for start in starts:
        found = _climb(objective, start, customers)
        if best is None or found.log_likelihood > best.log_likelihood:
            best = found
        if _why_unsettled(best, objective, customers) is None:
            break
    if best is None:
        raise ValueError("there must be a start")
    return best


def _climb(objective: Objective, start: tuple[float, ...], customers: int) -> _Optimum:
    def average(logs: Floats) -> tuple[float, Floats]:
        value, slopes = objective(logs)
        return value / customers, slopes / customers

    found = minimize(
        average,
        np.array(start),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_BOUND, _BOUND)] * len(start),
        options={"ftol": 1e-15, "gtol": _FLAT / 100, "maxiter": 500, "maxcor": 20},
    )
    return _Optimum(found.x, -float(found.fun) * customers)


def _why_too_few(customers: int, repeats: int) -> str | None:
    if customers < LEAST_CUSTOMERS:
        return f"only {customers} customers, {LEAST_CUSTOMERS} are needed"
    if repeats < LEAST_REPEATS:
        return f"only {repeats} repeat purchases, {LEAST_REPEATS} are needed"
    return None


def _why_nobody_drops_out(a: float, b: float) -> str | None:
    share = a / (a + b)
    if share >= LEAST_DROP_OUT:
        return None
    return f"next to nobody drops out: a/(a+b) = {share:.2g} < {LEAST_DROP_OUT}"


def _why_no_mean(q: float) -> str | None:
    return f"the values have no finite mean: q = {q:.3g} <= 1" if q <= 1 else None


def _why_unsettled(optimum: _Optimum, objective: Objective, customers: int) -> str | None:
    """Say why this is no maximum; None if it is one."""
    _, slopes = objective(optimum.parameters)
    steepest = float(np.abs(slopes).max()) / customers
    if steepest <= _FLAT:
        return None
    return f"the likelihood has not converged: its slope is still {steepest:.2g}"
