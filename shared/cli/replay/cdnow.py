"""The CDNOW log as events: 69,659 real purchases in a music shop, by 23,570 customers."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Final

import msgspec

from shared.errors import Misconfigured
from shared.instants import render

END: Final = datetime(1998, 7, 1, tzinfo=UTC)
"""The first instant after the log."""
_NOON: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Purchase:
    """One row: the n-th order of a customer on a day, counted from 0."""

    customer: str
    date: str
    n: int
    items: int
    cents: int

    @property
    def time(self) -> datetime:
        """Noon of the day, plus a minute for each earlier order of the customer on that day."""
        midnight = datetime.strptime(self.date, "%Y%m%d").replace(tzinfo=UTC)
        return midnight + _NOON + timedelta(minutes=self.n)


def lines() -> list[bytes]:
    """All purchases as JSON events, in the order of their times."""
    rows = _file().read_text().splitlines()[1:]
    purchases = sorted(read(rows), key=lambda purchase: purchase.time)
    return [encode(purchase) for purchase in purchases]


def read(rows: Iterable[str]) -> Iterable[Purchase]:
    """Parse rows of `customer date items dollars`."""
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        customer, date, items, dollars = row.split()
        cents = int(Decimal(dollars) * 100)
        yield Purchase(customer, date, seen[customer, date], int(items), cents)
        seen[customer, date] += 1


def encode(purchase: Purchase) -> bytes:
    """The event of a purchase, always the same for a row, so that sending it again is safe."""
    order = f"cdnow-{purchase.customer}-{purchase.date}-{purchase.n}"
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": order,
            "source": "/cdnow",
            "type": "order.completed",
            "subject": f"cdnow:{purchase.customer}",
            "time": render(purchase.time),
            "data": {
                "order_id": order,
                "total": {"amount": purchase.cents, "currency": "USD"},
                "items": purchase.items,
            },
        }
    )


def _file() -> Path:
    # The package is installed for this file alone, without the dependencies of its code.
    try:
        matches = [file for file in files("lifetimes") or () if file.name == "CDNOW_master.txt"]
    except PackageNotFoundError:
        matches = []
    if not matches:
        raise Misconfigured(
            "the CDNOW log is missing: run `pip install --no-deps lifetimes==0.11.3`"
        )
    return Path(str(matches[0].locate()))
