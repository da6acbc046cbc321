"""The CDNOW log: 69,659 real purchases of 23,570 customers of a music shop, January 1997 to June 1998, as events."""

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
    """One row: the n-th order of this customer on this day, counted from 0."""

    customer: str
    date: str
    n: int
    items: int
    cents: int

    @property
    def time(self) -> datetime:
        """Noon of its day, and a minute later for each further order of the same customer on that day."""
        return (
            datetime.strptime(self.date, "%Y%m%d").replace(tzinfo=UTC)
            + _NOON
            + timedelta(minutes=self.n)
        )


def lines() -> list[bytes]:
    """All purchases as JSON events, in the order of their times."""
    purchases = sorted(
        read(_file().read_text().splitlines()[1:]), key=lambda purchase: purchase.time
    )
    return [encode(purchase) for purchase in purchases]


def read(rows: Iterable[str]) -> Iterable[Purchase]:
    """Purchases of rows `customer date items dollars`, in their order."""
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        customer, date, items, dollars = row.split()
        yield Purchase(
            customer, date, seen[customer, date], int(items), int(Decimal(dollars) * 100)
        )
        seen[customer, date] += 1


def encode(purchase: Purchase) -> bytes:
    """The event of a purchase; a row always gives the same event, so sending it again changes nothing."""
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
    # The package is installed for this file alone, without what it would need to be imported.
    try:
        found = [file for file in files("lifetimes") or () if file.name == "CDNOW_master.txt"]
    except PackageNotFoundError:
        found = []
    if not found:
        raise Misconfigured(
            "the CDNOW log is missing: run `pip install --no-deps lifetimes==0.11.3`"
        )
    return Path(str(found[0].locate()))
