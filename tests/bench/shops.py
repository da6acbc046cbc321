"""The purchases of real shops for the cadence model: several orders on one day count once."""

import gzip
import json
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from importlib.metadata import files
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from services.lifecycle.cadence.likelihood import PurchaseHistories, compress
from shared.cli.replay import cdnow

Shop: TypeAlias = dict[str, dict[date, int]]
"""By customer and day, what was spent in minor units."""
CDNOW_END: Final = cdnow.END.date()
"""The first day after the log."""


def cdnow_cohort() -> Shop:
    """All 23,570 customers of the wheel's log."""
    rows = _wheel("CDNOW_master.txt").read_text().splitlines()[1:]
    return _gather((p.customer, p.time.date(), p.cents) for p in cdnow.read(rows))


def cdnow_sample() -> Shop:
    """The 2,357 customers that the literature uses; rows `master-id id date items dollars`."""
    rows = [row.split() for row in _wheel("CDNOW_sample.txt").read_text().splitlines()]
    return _gather(
        (row[1], _day(row[2]), int(Decimal(row[4]) * 100))
        for row in rows
        if row and row[0].isdigit()
    )


def uci_retail(path: Path) -> Shop:
    """The purchases of a log of JSON lines with `type`, `customer`, `at` and `data.amount`."""
    with gzip.open(path, "rt") as lines:
        events = [event for line in lines if (event := json.loads(line))["type"] == "purchase"]
    return _gather(
        (e["customer"], date.fromisoformat(e["at"][:10]), _cents(e["data"]["amount"]))
        for e in events
    )


def histories(shop: Shop, until: date) -> PurchaseHistories:
    """What is known at the end of the day before `until`."""
    rows = [
        (len(d) - 1, (d[-1] - d[0]).days / 7, ((until - d[0]).days - 1) / 7)
        for d in _before(shop, until)
    ]
    x, tx, known = np.array(rows).T
    return compress(x, tx, known)


def mean_values(shop: Shop, until: date) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(x, mean value in major units) of the customers with repeat purchases before `until`."""
    bought = [[spent[day] for day in sorted(spent)[1:] if day < until] for spent in shop.values()]
    found = np.array(
        [(len(values), sum(values) / len(values) / 100) for values in bought if values]
    )
    return found[:, 0], found[:, 1]


def _before(shop: Shop, until: date) -> Iterable[list[date]]:
    days = (sorted(day for day in spent if day < until) for spent in shop.values())
    return (bought for bought in days if bought)


def _gather(purchases: Iterable[tuple[str, date, int]]) -> Shop:
    shop: Shop = {}
    for customer, day, cents in purchases:
        spent = shop.setdefault(customer, {})
        spent[day] = spent.get(day, 0) + cents
    return shop


def _wheel(name: str) -> Path:
    (found,) = [file for file in files("lifetimes") or () if file.name == name]
    return Path(str(found.locate()))


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 (a day has no zone)


def _cents(text: str) -> int:
    return int(Decimal(text) * 100)
