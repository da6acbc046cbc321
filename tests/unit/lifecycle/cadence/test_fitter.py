"""What becomes of a fit's input: parameters with or without values, or the reason of a refusal."""

from typing import Final

import pytest

from services.lifecycle.cadence.estimation import RefusedFit, RhythmFit, ValueFit
from services.lifecycle.cadence.fitter import FitInput, FitOutcome, make_attempt, maximize
from services.lifecycle.cadence.repository import HistoryCount
from tests.support.builders import day

DATA: Final = FitInput(day(10), "EUR", [HistoryCount(1, 7, 14, 300)], [(1, 500.0)])
RHYTHM: Final = RhythmFit(0.5, 6.0, 0.8, 1.2, -99.5, customers=600, repeats=300)
VALUE: Final = ValueFit(6.2, 3.7, 1544.0, -50.0, customers=200, repeats=300)


def test_an_accepted_fit_has_the_parameters_of_rhythm_and_values() -> None:
    attempt = make_attempt(4, day(12), DATA, FitOutcome(RHYTHM, VALUE))
    assert (attempt.number, attempt.effective_at, attempt.made_at) == (4, day(12), day(10))
    assert (attempt.reason, attempt.customers, attempt.repeats) == (None, 600, 300)
    estimate = attempt.estimate
    assert estimate is not None
    assert (estimate.version, estimate.effective_at) == (4, day(12))
    assert (estimate.r, estimate.alpha, estimate.a, estimate.b) == (0.5, 6.0, 0.8, 1.2)
    assert (estimate.p, estimate.q, estimate.gamma) == (6.2, 3.7, 1544.0)
    assert (estimate.currency, estimate.log_likelihood, estimate.no_values) == ("EUR", -99.5, None)


def test_without_values_the_rhythm_is_accepted_and_says_why_there_are_none() -> None:
    refused = RefusedFit("too few", 10, 20)
    estimate = make_attempt(4, day(12), DATA, FitOutcome(RHYTHM, refused)).estimate
    assert estimate is not None
    assert (estimate.r, estimate.p, estimate.currency) == (0.5, None, None)
    assert estimate.no_values == "too few"


def test_a_refused_rhythm_has_its_reason_and_no_parameters() -> None:
    refused = RefusedFit("too few", 10, 20)
    attempt = make_attempt(4, day(12), DATA, FitOutcome(refused, refused))
    assert (attempt.reason, attempt.customers, attempt.repeats) == ("too few", 10, 20)
    assert attempt.estimate is None


@pytest.mark.parametrize(
    ("histories", "reason"),
    [
        ([], "only 0 customers, 500 are needed"),
        ([HistoryCount(1, 7, 14, 300)], "only 300 customers, 500 are needed"),
        ([HistoryCount(0, 0, 14, 600)], "only 0 repeat purchases, 200 are needed"),
    ],
)
def test_poor_input_is_refused(histories: list[HistoryCount], reason: str) -> None:
    outcome = maximize(DATA._replace(histories=histories))
    assert isinstance(outcome.rhythm, RefusedFit)
    assert outcome.rhythm.reason == reason
    assert outcome.value == outcome.rhythm


def test_impossible_input_is_refused_and_not_raised() -> None:
    outcome = maximize(DATA._replace(histories=[HistoryCount(1, 15, 14, 600)]))
    assert isinstance(outcome.rhythm, RefusedFit)
    assert outcome.rhythm.reason.startswith("the fit failed: a history needs")
    assert outcome.rhythm.customers == 600
