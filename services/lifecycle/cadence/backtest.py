"""What the models of silence would have made of the same purchases: who is warned, how early, how often in vain.

An episode begins with a purchase. It is lost if there is never another one and the horizon (180 days) has passed, and
returning if the next one comes within the horizon; else it is not counted as either. A customer is warned when D1
passes before the next purchase. A warning in a returning episode is a false alarm; the lead of a lost one is how many
days of the horizon are left at D1, 0 if none.
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
    """A customer's `x`-th repeat purchase, the first purchase ever, and the days until the next one, if there is."""

    customer: int
    x: int
    first: datetime
    at: datetime
    gap: int | None


@dataclass(frozen=True, slots=True)
class AlarmScore:
    """Customers warned, mean lead in days over the lost episodes, false alarms among the returning ones."""

    customers_warned: int
    mean_lead_days: float | None
    false_alarms: int
    false_alarm_share: float | None


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """The same episodes under fixed days, by rhythm, and under the fewest fixed days with no more false alarms."""

    purchases: int
    lost: int
    returning: int
    fixed: AlarmScore
    cadence: AlarmScore
    matched: AlarmScore
    matched_days: int


def compare(episodes: Iterable[PurchaseEpisode], policy: Policy, until: date) -> BacktestResult:
    """Both models with the thresholds of a policy and the fits that it knows, on the purchases until a day."""
    lives = _EpisodeOutcomes(tuple(episodes), policy.horizon_days, until)
    fixed, cadence = (
        lives.score(_alarms(lives.episodes, replace(policy, silence=model)))
        for model in (FIXED, CADENCE)
    )
    days = lives.fewest_days(cadence.false_alarms)
    matched = lives.score([float(days)] * len(lives.episodes))
    return BacktestResult(
        len(lives.episodes),
        sum(lives.lost),
        sum(lives.returning),
        fixed,
        cadence,
        matched,
        matched_days=days,
    )


class _EpisodeOutcomes:
    """Episodes with what became of them."""

    def __init__(self, episodes: Sequence[PurchaseEpisode], horizon: int, until: date) -> None:
        self.episodes = episodes
        self._horizon = horizon
        self._silent = [(until - e.at.date()).days if e.gap is None else e.gap for e in episodes]
        self.lost = [
            e.gap is None and days >= horizon
            for e, days in zip(episodes, self._silent, strict=True)
        ]
        self.returning = [e.gap is not None and e.gap <= horizon for e in episodes]

    def score(self, alarms: Sequence[float]) -> AlarmScore:
        """What alarms, in days after each purchase, achieve."""
        warned = [alarm < days for alarm, days in zip(alarms, self._silent, strict=True)]
        leads = [max(0.0, self._horizon - alarm) for alarm in compress(alarms, self.lost)]
        in_vain, returning = sum(compress(warned, self.returning)), sum(self.returning)
        return AlarmScore(
            customers_warned=len({episode.customer for episode in compress(self.episodes, warned)}),
            mean_lead_days=sum(leads) / len(leads) if leads else None,
            false_alarms=in_vain,
            false_alarm_share=in_vain / returning if returning else None,
        )

    def fewest_days(self, false_alarms: int) -> int:
        """The least number of days for everybody that gives no more false alarms."""
        gaps = sorted(compress(self._silent, self.returning), reverse=True)
        return gaps[false_alarms] if false_alarms < len(gaps) else 0


def _alarms(episodes: Iterable[PurchaseEpisode], policy: Policy) -> list[float]:
    """D1 in days after each purchase."""
    return [silence_limits(_just_bought(episode), policy)[0] / _DAY for episode in episodes]


def _just_bought(episode: PurchaseEpisode) -> Customer:
    return Customer(
        first_order_at=episode.first,
        bought_at=episode.at,
        last_order_at=episode.at,
        purchase_days=episode.x + 1,
    )
