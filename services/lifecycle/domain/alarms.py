"""What the models of silence would have made of the same purchases: who is warned, how early, how often in vain.

An episode begins with a purchase. It is lost if there is never another one and the horizon (180 days) has passed, and
returning if the next one comes within the horizon; else it is not counted as either. A customer is warned when D1
passes before the next purchase. A warning in a returning episode is a false alarm; the lead of a lost one is how many
days of the horizon are left at D1, 0 if none.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from services.lifecycle.domain.customer import Customer
from services.lifecycle.domain.deadlines import silences
from services.lifecycle.domain.policy import CADENCE, FIXED, Policy

_DAY: Final = timedelta(days=1)


class Episode(NamedTuple):
    """A customer's `x`-th repeat purchase, the first purchase of all, and the days until the next one if there is one."""

    customer: int
    x: int
    first: datetime
    at: datetime
    gap: int | None


@dataclass(frozen=True, slots=True)
class Score:
    """Customers warned, mean lead in days over the lost episodes, false alarms among the returning ones."""

    customers_warned: int
    mean_lead_days: float | None
    false_alarms: int
    false_alarm_share: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same episodes under fixed days and by rhythm."""

    purchases: int
    lost: int
    returning: int
    fixed: Score
    cadence: Score


def compare(episodes: Iterable[Episode], policy: Policy, until: date) -> Comparison:
    """Both models with the thresholds of a policy and the fits that it knows, on the purchases until a day."""
    seen, horizon = tuple(episodes), policy.horizon_days
    lost = tuple(_silent(episode, until) >= horizon and episode.gap is None for episode in seen)
    returning = tuple(episode.gap is not None and episode.gap <= horizon for episode in seen)

    def score(model: str) -> Score:
        judging = replace(policy, silence=model)
        alarms = [_alarm(episode, judging) for episode in seen]
        warned = [alarm < _silent(episode, until) for episode, alarm in zip(seen, alarms, strict=True)]
        leads = [max(0.0, horizon - alarm) for alarm, counts in zip(alarms, lost, strict=True) if counts]
        in_vain = sum(one and other for one, other in zip(warned, returning, strict=True))
        return Score(
            len({episode.customer for episode, alarmed in zip(seen, warned, strict=True) if alarmed}),
            sum(leads) / len(leads) if leads else None,
            in_vain,
            in_vain / sum(returning) if any(returning) else None,
        )

    return Comparison(len(seen), sum(lost), sum(returning), score(FIXED), score(CADENCE))


def _silent(episode: Episode, until: date) -> int:
    """Days from the purchase to the next one, or until now."""
    return (until - episode.at.date()).days if episode.gap is None else episode.gap


def _alarm(episode: Episode, policy: Policy) -> float:
    """D1 in days."""
    bought = Customer(
        first_order_at=episode.first, bought_at=episode.at, last_order_at=episode.at, purchase_days=episode.x + 1
    )
    return silences(bought, policy)[0] / _DAY
