"""How early silence is noticed, and at what price: the cadence model against fixed days.

An episode begins with a purchase. It is lost if no other purchase follows in the log, and returning
if one follows within 180 days. A false alarm is a returning episode whose alarm comes before the
return.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from services.lifecycle.domain.policy.cadence import Fit, silence_limit
from tests.bench.plot import Axes, Line, write
from tests.bench.shops import CDNOW_END, Shop

HORIZON_DAYS: Final = 180
FLOOR_DAYS: Final = 30
ALLOWED: Final = 0.10
BUILT_IN: Final = 0.65


@dataclass(frozen=True, slots=True)
class Episode:
    """A purchase, the customer's rhythm until then, and the days to the next one (None: lost)."""

    x: int
    tx_days: int
    gap: int | None


@dataclass(frozen=True, slots=True)
class Score:
    """What an alarm rule achieves; `setting` is its gap in days or its probability.

    `lead` is in days.
    """

    setting: float
    false_alarms: float
    lead: float


Alarm = Callable[[Episode], float]


def episodes(shop: Shop, begin: date, end: date) -> list[Episode]:
    """The purchases in [begin, end) that are lost, or return within 180 days."""
    found = []
    for days in shop.values():
        bought = sorted(days)
        for x, day in enumerate(bought):
            gap = (bought[x + 1] - day).days if x + 1 < len(bought) else None
            telling = (CDNOW_END - day).days >= HORIZON_DAYS if gap is None else gap <= HORIZON_DAYS
            if begin <= day < end and telling:
                found.append(Episode(x, (day - bought[0]).days, gap))
    return found


def cadence(fit: Fit, probability: float, *, floor_days: int) -> Alarm:
    """The alarm of section 4 of the model: D1 in days, but not before the floor."""
    return lambda e: max(
        floor_days,
        silence_limit(fit, e.x, e.tx_days, HORIZON_DAYS, probability) / timedelta(days=1),
    )


def score(setting: float, alarm: Alarm, seen: Sequence[Episode]) -> Score:
    """The share of false alarms of the returning, and the mean lead over 180 days of the lost."""
    returning = [alarm(episode) < episode.gap for episode in seen if episode.gap is not None]
    leads = [max(0.0, HORIZON_DAYS - alarm(episode)) for episode in seen if episode.gap is None]
    return Score(setting, sum(returning) / len(returning), sum(leads) / len(leads))


def best(scores: Iterable[Score]) -> Score:
    """The longest lead among those with at most 10 % false alarms."""
    return max(
        (found for found in scores if found.false_alarms <= ALLOWED), key=lambda found: found.lead
    )


def report(fit: Fit, shop: Shop, plot: Path) -> list[tuple[str, bool]]:
    """Print the tables and write the plot; returns the aims and whether each was reached."""
    seen = episodes(shop, date(1997, 10, 1), date(1998, 1, 1))
    lost = sum(episode.gap is None for episode in seen)
    print(
        f"  {len(seen):,} purchases of the fourth quarter of 1997: "
        f"{lost:,} lost, {len(seen) - lost:,} returning"
    )
    settings = [n / 1000 for n in range(500, 901)]
    off = [score(p, cadence(fit, p, floor_days=0), seen) for p in settings]
    on = [score(p, cadence(fit, p, floor_days=FLOOR_DAYS), seen) for p in settings]
    fixed = [
        score(days, lambda _, days=days: days, seen)  # type: ignore[misc]
        for days in range(30, 181)
    ]
    print("\n  probability    floors off: false alarms   lead    floors on: false alarms   lead")
    for without, with_floor in zip(off[::50], on[::50], strict=True):
        print(f"  {without.setting:11.2f} {_cells(without):>33} {_cells(with_floor):>31}")
    print("\n  fixed gap, days    false alarms   lead")
    for found in fixed[::10]:
        print(f"  {found.setting:15.0f} {_cells(found):>22}")
    winners = {
        "fixed gap": best(fixed),
        "cadence, floors off": best(off),
        "cadence, floors on": best(on),
    }
    print("\n  the longest lead at no more than 10 % false alarms")
    for name, found in winners.items():
        print(f"  {name:20} at {found.setting:<6g} {_cells(found):>16}")
    _plot(plot, fixed, off, on)
    return [
        (f"{name}: lead of 65 days at 10 % false alarms", winners[name].lead >= 65)
        for name in winners
        if name != "fixed gap"
    ]


def _cells(found: Score) -> str:
    return f"{found.false_alarms:7.1%} {found.lead:5.1f} d"


def _plot(path: Path, fixed: Sequence[Score], off: Sequence[Score], on: Sequence[Score]) -> None:
    named = (
        ("one gap for everybody", fixed),
        ("cadence model, floors off", off),
        ("cadence, at least 30 days", on),
    )
    axes = Axes(
        "Warned before 180 days of silence: CDNOW, fourth quarter of 1997",
        "returning customers warned in vain, %",
        "lead over 180 days for the lost, days",
        greatest=(30, 140),
        tick=(5, 20),
        mark=ALLOWED * 100,
    )
    write(
        path,
        axes,
        [Line(name, [(s.false_alarms * 100, s.lead) for s in scores]) for name, scores in named],
    )
