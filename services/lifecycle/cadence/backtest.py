"""Compares fixed days and cadence on the same purchases: warnings, leads, false alarms.

An episode begins with a purchase. It is *lost* if no purchase follows and the horizon (180 days)
has passed, *returning* if the next purchase comes within the horizon; otherwise it counts as
neither. A customer is warned when D1 passes before the next purchase. A warning in a returning
episode is a false alarm. The lead of a lost episode is how many days of the horizon are left at
D1, 0 if none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import compress
from typing import Final, NamedTuple

from services.lifecycle.domain.policy.policy import CADENCE, FIXED, Policy
from services.lifecycle.domain.rules.deadlines import silence_limits
from services.lifecycle.domain.state.customer import Customer

_DAY: Final = timedelta(days=1)


class PurchaseEpisode(NamedTuple):
    """The `x`-th repeat purchase of a customer, at `at`, after the `first` purchase ever.

    `gap` counts the days until the next purchase; None if there is none.
    """

    customer: int
    x: int
    first: datetime
    at: datetime
    gap: int | None


@dataclass(frozen=True, slots=True)
class AlarmScore:
    """What the alarms of one model achieve.

    The mean lead is in days over the lost episodes, the share of false alarms among the returning.
    """

    customers_warned: int
    mean_lead_days: float | None
    false_alarms: int
    false_alarm_share: float | None


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """The same episodes under fixed days, by cadence, and under `matched_days`.

    These are the fewest fixed days with no more false alarms than the cadence gives.
    """

    purchases: int
    lost: int
    returning: int
    fixed: AlarmScore
    cadence: AlarmScore
    matched: AlarmScore
    matched_days: int


def compare(episodes: Iterable[PurchaseEpisode], policy: Policy, until: date) -> BacktestResult:
    """Score both models on the purchases until a day, by the thresholds and fits of a policy."""
    outcomes = _EpisodeOutcomes(tuple(episodes), policy.horizon_days, until)
    fixed = outcomes.score(_alarms(outcomes.episodes, replace(policy, silence=FIXED)))
    cadence = outcomes.score(_alarms(outcomes.episodes, replace(policy, silence=CADENCE)))
    matched_days = outcomes.fewest_days(cadence.false_alarms)
    return BacktestResult(
        purchases=len(outcomes.episodes),
        lost=sum(outcomes.lost),
        returning=sum(outcomes.returning),
        fixed=fixed,
        cadence=cadence,
        matched=outcomes.score([float(matched_days)] * len(outcomes.episodes)),
        matched_days=matched_days,
    )


class _EpisodeOutcomes:
    """Episodes with what became of them."""

    def __init__(self, episodes: Sequence[PurchaseEpisode], horizon: int, until: date) -> None:
        self.episodes = episodes
        self.lost: list[bool] = []
        self.returning: list[bool] = []
        self._horizon = horizon
        self._silent_days: list[int] = []
        for episode in episodes:
            self._add(episode, until)

    def _add(self, episode: PurchaseEpisode, until: date) -> None:
        has_ended = episode.gap is not None
        silent = episode.gap if episode.gap is not None else (until - episode.at.date()).days
        self._silent_days.append(silent)
        self.lost.append(not has_ended and silent >= self._horizon)
        self.returning.append(has_ended and silent <= self._horizon)

    def score(self, alarms: Sequence[float]) -> AlarmScore:
        """Score alarms, given in days after each purchase."""
        warned = [alarm < days for alarm, days in zip(alarms, self._silent_days, strict=True)]
        leads = [max(0.0, self._horizon - alarm) for alarm in compress(alarms, self.lost)]
        false_alarms = sum(compress(warned, self.returning))
        returning = sum(self.returning)
        return AlarmScore(
            customers_warned=len({episode.customer for episode in compress(self.episodes, warned)}),
            mean_lead_days=sum(leads) / len(leads) if leads else None,
            false_alarms=false_alarms,
            false_alarm_share=false_alarms / returning if returning else None,
        )

    def fewest_days(self, false_alarms: int) -> int:
        """The least number of days for everybody that gives no more false alarms."""
        gaps = sorted(compress(self._silent_days, self.returning), reverse=True)
        return gaps[false_alarms] if false_alarms < len(gaps) else 0


def _alarms(episodes: Iterable[PurchaseEpisode], policy: Policy) -> list[float]:
    """D1 in days after each purchase."""
    return [silence_limits(_customer_after(episode), policy)[0] / _DAY for episode in episodes]


def _customer_after(episode: PurchaseEpisode) -> Customer:
    return Customer(
        first_order_at=episode.first,
        last_order_at=episode.at,
        purchase_days=episode.x + 1,
    )
