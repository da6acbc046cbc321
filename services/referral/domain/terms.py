"""Terms: what a claim promises, for each currency in which the program runs."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CurrencyTerms:
    """Both sides' rewards for a first order in one currency, in its minor units.

    An order below `minimum_order` earns nothing; it is at least 1, so a free order never does.
    """

    recommender: int
    referee: int
    minimum_order: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a claim promises: a claim keeps the terms that were in force when it was recorded.

    An order in a currency that `currencies` does not name earns nothing.
    """

    claim_days: int
    return_window_days: int
    currencies: Mapping[str, CurrencyTerms]
