"""Fixed days and cadence on the same purchases: what is lost, what returns, who is warned."""

from datetime import timedelta

import pytest

from services.lifecycle.cadence.backtest import BacktestResult, PurchaseEpisode, compare
from services.lifecycle.domain.policy.cadence import Fit, silence_limit
from services.lifecycle.domain.policy.policy import Policy
from tests.support.builders import day

FIT = Fit(1, day(0), r=0.64, alpha=7.3, a=0.81, b=1.23)
POLICY = Policy(fits=(FIT,))


def found(*episodes: PurchaseEpisode, until: float) -> BacktestResult:
    return compare(episodes, POLICY, day(until).date())


def test_a_last_purchase_is_lost_once_the_horizon_is_over_and_warned_at_d1() -> None:
    last = PurchaseEpisode(1, 1, day(0), day(20), None)
    early, late = found(last, until=199), found(last, until=200)
    assert (early.lost, late.lost) == (0, 1)
    assert (early.fixed.mean_lead_days, late.fixed.mean_lead_days) == (None, 90)
    d1 = max(silence_limit(FIT, 1, 20, 180, 0.65) / timedelta(days=1), 30)
    assert late.cadence.mean_lead_days == pytest.approx(180 - d1)
    assert late.fixed.customers_warned == late.cadence.customers_warned == 1


def test_a_return_within_the_horizon_is_a_false_alarm_if_it_was_warned_before() -> None:
    compared = found(
        PurchaseEpisode(1, 0, day(0), day(0), 91),
        PurchaseEpisode(1, 1, day(0), day(91), 90),
        PurchaseEpisode(2, 0, day(0), day(0), 181),
        until=400,
    )
    assert (compared.purchases, compared.lost, compared.returning) == (3, 0, 2)
    assert (compared.fixed.false_alarms, compared.fixed.false_alarm_share) == (1, 0.5)
    assert compared.fixed.customers_warned == 2, "the one who came back after the horizon too"


def test_who_has_bought_on_one_day_only_is_warned_by_fixed_days_in_both() -> None:
    compared = found(PurchaseEpisode(1, 0, day(0), day(0), None), until=200)
    assert compared.fixed == compared.cadence


def test_the_matched_days_are_the_fewest_that_give_no_more_false_alarms() -> None:
    episodes = [
        PurchaseEpisode(n, 3, day(0), day(30), gap)
        for n, gap in enumerate([5, 20, 40, 60, 80, 100, 120, 140, 170])
    ]
    compared = found(*episodes, until=400)
    assert compared.matched.false_alarms <= compared.cadence.false_alarms
    fewer = sum(gap > compared.matched_days - 1 for gap in (5, 20, 40, 60, 80, 100, 120, 140, 170))
    assert fewer > compared.cadence.false_alarms > 0


def test_nothing_to_compare_is_no_error() -> None:
    compared = found(until=1)
    assert (
        compared.purchases,
        compared.fixed.mean_lead_days,
        compared.fixed.false_alarm_share,
    ) == (0, None, None)
