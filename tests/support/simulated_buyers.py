"""Simulated customers who buy and drop out exactly as MBG/NBD says."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from services.lifecycle.cadence.likelihood import PurchaseHistories, compress

Floats = npt.NDArray[np.float64]


def simulate(
    customers: int,
    true: Mapping[str, float],
    *,
    weeks: tuple[float, float] = (26, 104),
    seed: int = 1,
) -> PurchaseHistories:
    """Return customers known for between so many `weeks`.

    Rates of purchase are gamma, chances to drop out after each purchase are beta distributed;
    `true` has the parameters `r`, `alpha`, `a`, `b`.
    """
    random = np.random.default_rng(seed)
    known = random.uniform(*weeks, customers)
    rates = random.gamma(true["r"], 1 / true["alpha"], customers)
    # The purchase after which a customer drops out is geometric; the first is no repeat.
    lives = random.geometric(np.maximum(random.beta(true["a"], true["b"], customers), 1e-12)) - 1
    bought = np.zeros(customers)
    last = np.zeros(customers)
    active = np.flatnonzero(lives > 0)
    while len(active):
        next_at = last[active] + random.exponential(1, len(active)) / np.maximum(
            rates[active], 1e-300
        )
        in_time = next_at <= known[active]
        active = active[in_time]
        next_at = next_at[in_time]
        bought[active] += 1
        last[active] = next_at
        active = active[bought[active] < lives[active]]
    return compress(bought, last, known)
