"""The likelihood of purchases: MBG/NBD for their rhythm, Gamma-Gamma for their values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import expit, gammaln, psi

Floats: TypeAlias = npt.NDArray[np.float64]
Objective: TypeAlias = Callable[[Floats], tuple[float, Floats]]
"""−log-likelihood and its gradient, as a function of the logarithms of the parameters."""


@dataclass(frozen=True, slots=True)
class PurchaseHistories:
    """Identical histories once each: `count` customers made `x` repeat purchases.

    `tx` and `T` are in weeks.
    """

    x: Floats
    tx: Floats
    T: Floats
    count: Floats

    @property
    def customers(self) -> int:
        """The number of customers."""
        return int(self.count.sum())

    @property
    def repeats(self) -> int:
        """The number of their repeat purchases."""
        return int(self.x @ self.count)


def compress(
    x: npt.ArrayLike,
    tx: npt.ArrayLike,
    T: npt.ArrayLike,  # noqa: N803 (the literature's name)
    count: npt.ArrayLike | None = None,
) -> PurchaseHistories:
    """Group identical histories of arrays of one length; `tx` and `T` are in weeks.

    `count` defaults to one customer per row.
    Raises ValueError unless x ≥ 0, 0 ≤ tx ≤ T, and tx = 0 where x = 0.
    """
    columns = [np.asarray(column, dtype=np.float64) for column in (x, tx, T)]
    counts = np.ones_like(columns[0]) if count is None else np.asarray(count, dtype=np.float64)
    _check_histories(*columns)
    order = np.lexsort(columns)
    columns = [column[order] for column in columns]
    counts = counts[order]
    first = _first_of_equal_rows(columns)
    summed = np.add.reduceat(counts, first) if len(first) else counts
    return PurchaseHistories(columns[0][first], columns[1][first], columns[2][first], summed)


def rhythm_objective(histories: PurchaseHistories) -> Objective:
    """The objective of MBG/NBD over (r, α, a, b).

    L = Γ(r+x)·αʳ/Γ(r) · B(a, b+x+1)/B(a, b) · (α+T)^−(r+x)
        · (1 + a/(b+x) · ((α+T)/(α+tx))^(r+x)).
    """
    sample = _RhythmSample(histories)

    def objective(logs: Floats) -> tuple[float, Floats]:
        parameters = np.exp(logs)
        r, alpha, a, b = parameters
        terms = sample.terms(r, alpha, a, b)
        value = sample.log_likelihood(terms, r, alpha, a, b)
        slopes = sample.slopes(terms, r, alpha, a, b)
        return -float(value), -slopes * parameters

    return objective


def value_objective(x: Floats, mean: Floats) -> Objective:
    """The objective of Gamma-Gamma over (p, q, γ): `x` repeat purchases, worth `mean` on average.

    L = Γ(px+q)/(Γ(px)Γ(q)) · γ^q · m^(px−1) · x^(px) / (γ+mx)^(px+q).
    """
    log_spent = np.log(mean * x)

    def objective(logs: Floats) -> tuple[float, Floats]:
        parameters = np.exp(logs)
        p, q, gamma = parameters
        shape = p * x
        reach = np.log(gamma + mean * x)
        likelihood = (
            gammaln(shape + q)
            - gammaln(shape)
            + shape * log_spent
            - (shape + q) * reach
            - np.log(mean)
        )
        total = likelihood.sum() + len(x) * (q * logs[2] - gammaln(q))
        slopes = np.array(
            [
                x @ (psi(shape + q) - psi(shape) + log_spent - reach),
                np.sum(psi(shape + q) - psi(q) + logs[2] - reach),
                np.sum(q / gamma - (shape + q) * np.exp(-reach)),
            ]
        )
        return -float(total), -slopes * parameters

    return objective


class _RhythmTerms(NamedTuple):
    """What value and gradient share, for each row of the histories."""

    log_now: Floats
    """ln(α+T)"""
    log_last: Floats
    """ln(α+tx)"""
    rate: Floats
    """r+x"""
    log_odds: Floats
    """The log-odds of having dropped out."""
    lost: Floats
    """How many customers are expected to have dropped out."""


class _RhythmSample:
    """Histories under MBG/NBD.

    What depends on `x` alone is computed once for each of its distinct values.
    """

    def __init__(self, histories: PurchaseHistories) -> None:
        self._x = histories.x
        self._tx = histories.tx
        self._now = histories.T
        self._count = histories.count
        self._customers = float(histories.count.sum())
        self._distinct_x, self._index = np.unique(histories.x, return_inverse=True)
        self._weights = np.bincount(self._index, histories.count)

    def terms(self, r: float, alpha: float, a: float, b: float) -> _RhythmTerms:
        log_now = np.log(alpha + self._now)
        log_last = np.log(alpha + self._tx)
        rate = r + self._x
        drop_out = (np.log(a) - np.log(b + self._distinct_x))[self._index]
        log_odds = rate * (log_now - log_last) + drop_out
        return _RhythmTerms(log_now, log_last, rate, log_odds, self._count * expit(log_odds))

    def log_likelihood(
        self, terms: _RhythmTerms, r: float, alpha: float, a: float, b: float
    ) -> float:
        x = self._distinct_x
        by_x = gammaln(r + x) + gammaln(b + x + 1) - gammaln(a + b + x + 1)
        by_row = np.logaddexp(0, terms.log_odds) - terms.rate * terms.log_now
        constant = gammaln(a + b) - gammaln(b) - gammaln(r) + r * np.log(alpha)
        return float(constant * self._customers + self._weights @ by_x + self._count @ by_row)

    def slopes(self, terms: _RhythmTerms, r: float, alpha: float, a: float, b: float) -> Floats:
        """The derivatives by r, α, a and b."""
        common = psi(a + b) * self._customers - self._weights @ psi(a + b + self._distinct_x + 1)
        return np.array(
            [
                self._slope_by_r(terms, r, alpha),
                self._slope_by_alpha(terms, r, alpha),
                common + terms.lost.sum() / a,
                self._slope_by_b(terms, common, b),
            ]
        )

    def _slope_by_r(self, terms: _RhythmTerms, r: float, alpha: float) -> float:
        slope = (
            self._weights @ psi(r + self._distinct_x)
            + (np.log(alpha) - psi(r)) * self._customers
            - self._count @ terms.log_now
            + terms.lost @ (terms.log_now - terms.log_last)
        )
        return float(slope)

    def _slope_by_alpha(self, terms: _RhythmTerms, r: float, alpha: float) -> float:
        slope = (
            r / alpha * self._customers
            - ((self._count - terms.lost) * terms.rate) @ np.exp(-terms.log_now)
            - (terms.lost * terms.rate) @ np.exp(-terms.log_last)
        )
        return float(slope)

    def _slope_by_b(self, terms: _RhythmTerms, common: float, b: float) -> float:
        x = self._distinct_x
        slope = (
            common
            + self._weights @ psi(b + x + 1)
            - psi(b) * self._customers
            - np.bincount(self._index, terms.lost) @ (1 / (b + x))
        )
        return float(slope)


def _check_histories(x: Floats, tx: Floats, T: Floats) -> None:  # noqa: N803
    is_ordered = np.all(x >= 0) and np.all(tx >= 0) and np.all(tx <= T)
    if not is_ordered or np.any((x == 0) & (tx > 0)):
        raise ValueError("a history needs x >= 0, 0 <= tx <= T, and tx = 0 where x = 0")


def _first_of_equal_rows(columns: list[Floats]) -> npt.NDArray[np.intp]:
    """Where runs of equal rows begin, in sorted columns."""
    begins = np.ones(len(columns[0]), dtype=bool)
    if len(begins):
        begins[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return np.flatnonzero(begins)
