"""Fits the cadence model to the purchases of all customers: MBG/NBD and Gamma-Gamma by maximum likelihood."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, gammaln, psi

Floats: TypeAlias = npt.NDArray[np.float64]
Objective: TypeAlias = Callable[[Floats], tuple[float, Floats]]

LEAST_CUSTOMERS: Final = 500
LEAST_REPEATS: Final = 200
LEAST_DROP_OUT: Final = 0.001
_STARTS: Final = ((0.0, 0.0, 0.0, 0.0), (-1.0, -1.0, -1.0, 1.0), (1.0, 1.0, -2.0, 0.0))
_VALUE_STARTS: Final = ((1.0, 1.0, 0.0), (0.0, 0.5, 0.5), (2.0, 2.0, 1.0))
_FLAT: Final = 1e-6
"""The greatest slope, per customer and logarithm of a parameter, at which a maximum counts as reached."""
_FARTHEST: Final = 15.0
"""No parameter (its logarithm, in scaled units) is looked for farther out; the slope tells where one wants to go."""


@dataclass(frozen=True, slots=True)
class PurchaseHistories:
    """Identical histories once each: `x` repeat purchases, `tx` and `T` in weeks, `count` customers that have it."""

    x: Floats
    tx: Floats
    T: Floats
    count: Floats

    @property
    def customers(self) -> int:
        """How many customers these are."""
        return int(self.count.sum())

    @property
    def repeats(self) -> int:
        """How many repeat purchases they made."""
        return int(self.x @ self.count)


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
    """The Gamma-Gamma parameters (`gamma` in the unit of the values) that make these values most likely."""

    p: float
    q: float
    gamma: float
    log_likelihood: float
    customers: int
    repeats: int


@dataclass(frozen=True, slots=True)
class RefusedFit:
    """No parameters to be relied on, and why."""

    reason: str
    customers: int
    repeats: int


@dataclass(frozen=True, slots=True)
class _Optimum:
    parameters: Floats
    log_likelihood: float


def compress(
    x: npt.ArrayLike,
    tx: npt.ArrayLike,
    T: npt.ArrayLike,  # noqa: N803 (the literature's name)
    count: npt.ArrayLike | None = None,
) -> PurchaseHistories:
    """Histories of arrays of one length, `tx` and `T` in weeks; `count` defaults to one customer per row.

    Raises ValueError unless 0 ≤ tx ≤ T, x ≥ 0 and tx = 0 where x = 0.
    """
    columns = [np.asarray(column, dtype=np.float64) for column in (x, tx, T)]
    counts = np.ones_like(columns[0]) if count is None else np.asarray(count, dtype=np.float64)
    _check(*columns)
    order = np.lexsort(columns)
    columns, counts = [column[order] for column in columns], counts[order]
    begins = np.ones(len(counts), dtype=bool)
    if len(counts):
        begins[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    first = np.flatnonzero(begins)
    summed = np.add.reduceat(counts, first) if len(first) else counts
    return PurchaseHistories(columns[0][first], columns[1][first], columns[2][first], summed)


def fit_rhythm(histories: PurchaseHistories) -> RhythmFit | RefusedFit:
    """MBG/NBD by maximum likelihood (Batislam, Denizel & Filiztekin 2007), or why there is no fit."""
    sizes = histories.customers, histories.repeats
    if (reason := _too_few(*sizes)) is not None:
        return RefusedFit(reason, *sizes)
    scale = float(np.average(histories.T, weights=histories.count))
    scaled = PurchaseHistories(
        histories.x, histories.tx / scale, histories.T / scale, histories.count
    )
    found = _maximize(rhythm_objective(scaled), _STARTS, histories.customers)
    r, alpha, a, b = (float(value) for value in np.exp(found.parameters))
    if a / (a + b) < LEAST_DROP_OUT:
        return RefusedFit(
            f"next to nobody drops out: a/(a+b) = {a / (a + b):.2g} < {LEAST_DROP_OUT}", *sizes
        )
    if (reason := _unsettled(found, rhythm_objective(scaled), histories.customers)) is not None:
        return RefusedFit(reason, *sizes)
    # A density of x events in time: each purchase brings one unit of time, so the scale must be taken out again.
    return RhythmFit(
        r,
        alpha * scale,
        a,
        b,
        found.log_likelihood - histories.repeats * float(np.log(scale)),
        *sizes,
    )


def fit_value(x: npt.ArrayLike, mean: npt.ArrayLike) -> ValueFit | RefusedFit:
    """Gamma-Gamma by maximum likelihood (Fader & Hardie 2013), or why there is no fit.

    `x` repeat purchases of each customer, worth `mean` on average; customers without any, or whose were worth nothing,
    tell nothing and are left out.
    """
    bought, worth = np.asarray(x, dtype=np.float64), np.asarray(mean, dtype=np.float64)
    telling = (bought > 0) & (worth > 0)
    bought, worth = bought[telling], worth[telling]
    sizes = len(bought), int(bought.sum())
    if sizes[1] < LEAST_REPEATS:
        return RefusedFit(
            f"only {sizes[1]} repeat purchases of some value, {LEAST_REPEATS} are needed", *sizes
        )
    scale = float(np.average(worth, weights=bought))
    objective = value_objective(bought, worth / scale)
    found = _maximize(objective, _VALUE_STARTS, sizes[0])
    if (reason := _unsettled(found, objective, sizes[0])) is not None:
        return RefusedFit(reason, *sizes)
    p, q, gamma = (float(value) for value in np.exp(found.parameters))
    if q <= 1:
        return RefusedFit(f"the values have no finite mean: q = {q:.3g} <= 1", *sizes)
    return ValueFit(
        p, q, gamma * scale, found.log_likelihood - sizes[0] * float(np.log(scale)), *sizes
    )


def rhythm_objective(histories: PurchaseHistories) -> Objective:
    """−log-likelihood of MBG/NBD and its gradient, as a function of the logarithms of (r, α, a, b).

    L = Γ(r+x)·αʳ/Γ(r) · B(a, b+x+1)/B(a, b) · (α+T)^−(r+x) · (1 + a/(b+x) · ((α+T)/(α+tx))^(r+x)).
    """
    count, x = histories.count, histories.x
    kinds, kind = np.unique(x, return_inverse=True)
    customers, weights = float(count.sum()), np.bincount(kind, count)

    def objective(logs: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = np.exp(logs)
        until_now, until_last = np.log(alpha + histories.T), np.log(alpha + histories.tx)
        gap, rate = until_now - until_last, r + x
        odds = rate * gap + (np.log(a) - np.log(b + kinds))[kind]
        lost = count * expit(odds)
        by_kind = gammaln(r + kinds) + gammaln(b + kinds + 1) - gammaln(a + b + kinds + 1)
        constant = gammaln(a + b) - gammaln(b) - gammaln(r) + r * np.log(alpha)
        likelihood = (
            constant * customers
            + weights @ by_kind
            + count @ (np.logaddexp(0, odds) - rate * until_now)
        )
        total = psi(a + b) * customers - weights @ psi(a + b + kinds + 1)
        slopes = np.array(
            [
                weights @ psi(r + kinds)
                + (np.log(alpha) - psi(r)) * customers
                - count @ until_now
                + lost @ gap,
                r / alpha * customers
                - ((count - lost) * rate) @ np.exp(-until_now)
                - (lost * rate) @ np.exp(-until_last),
                total + lost.sum() / a,
                total
                + weights @ psi(b + kinds + 1)
                - psi(b) * customers
                - np.bincount(kind, lost) @ (1 / (b + kinds)),
            ]
        )
        return -float(likelihood), -slopes * np.exp(logs)

    return objective


def value_objective(x: Floats, mean: Floats) -> Objective:
    """−log-likelihood of Gamma-Gamma and its gradient, as a function of the logarithms of (p, q, γ).

    L = Γ(px+q)/(Γ(px)Γ(q)) · γ^q · m^(px−1) · x^(px) / (γ+mx)^(px+q).
    """

    def objective(logs: Floats) -> tuple[float, Floats]:
        p, q, gamma = np.exp(logs)
        shape, spent, reach = p * x, np.log(mean * x), np.log(gamma + mean * x)
        likelihood = (
            gammaln(shape + q) - gammaln(shape) + shape * spent - (shape + q) * reach - np.log(mean)
        )
        slopes = np.array(
            [
                x @ (psi(shape + q) - psi(shape) + spent - reach),
                np.sum(psi(shape + q) - psi(q) + logs[2] - reach),
                np.sum(q / gamma - (shape + q) * np.exp(-reach)),
            ]
        )
        return -float(likelihood.sum() + len(x) * (q * logs[2] - gammaln(q))), -slopes * np.exp(
            logs
        )

    return objective


def _maximize(
    objective: Objective, starts: Sequence[tuple[float, ...]], customers: int
) -> _Optimum:
    """The best of the maxima found, beginning at the next start only while none has settled."""
    best: _Optimum | None = None

    def average(logs: Floats) -> tuple[float, Floats]:
        value, slopes = objective(logs)
        return value / customers, slopes / customers

    for start in starts:
        bounds = [(-_FARTHEST, _FARTHEST)] * len(start)
        options = {"ftol": 1e-15, "gtol": _FLAT / 100, "maxiter": 500, "maxcor": 20}
        found = minimize(
            average, np.array(start), jac=True, method="L-BFGS-B", bounds=bounds, options=options
        )
        if best is None or -found.fun * customers > best.log_likelihood:
            best = _Optimum(found.x, -float(found.fun) * customers)
        if _unsettled(best, objective, customers) is None:
            break
    if best is None:
        raise ValueError("there must be a start")
    return best


def _unsettled(found: _Optimum, objective: Objective, customers: int) -> str | None:
    """Why this is no maximum; None if it is one."""
    slope = float(np.abs(objective(found.parameters)[1]).max()) / customers
    return (
        None
        if slope <= _FLAT
        else f"the likelihood has not converged: its slope is still {slope:.2g}"
    )


def _too_few(customers: int, repeats: int) -> str | None:
    if customers < LEAST_CUSTOMERS:
        return f"only {customers} customers, {LEAST_CUSTOMERS} are needed"
    if repeats < LEAST_REPEATS:
        return f"only {repeats} repeat purchases, {LEAST_REPEATS} are needed"
    return None


def _check(x: Floats, tx: Floats, T: Floats) -> None:  # noqa: N803
    if not (
        np.all(x >= 0) and np.all(tx >= 0) and np.all(tx <= T) and not np.any((x == 0) & (tx > 0))
    ):
        raise ValueError("a history needs x >= 0, 0 <= tx <= T, and tx = 0 where x = 0")
