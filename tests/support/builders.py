"""Builders: events as shops send them, in the fewest words a test needs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

DAY_0 = datetime(2024, 1, 1, 12, tzinfo=UTC)


def day(number: float) -> datetime:
    """Noon of a day, counted from 1 January 2024."""
    return DAY_0 + timedelta(days=number)


def event(
    customer: str, kind: str, at: float | datetime, /, *, id: str | None = None, **data: Any
) -> dict[str, Any]:
    """A CloudEvent; its id is made of customer, type and time unless given."""
    time = at if isinstance(at, datetime) else day(at)
    return {
        "specversion": "1.0",
        "id": id or f"{customer}-{kind}-{time.isoformat()}",
        "source": "/shop",
        "type": kind,
        "subject": customer,
        "time": time.isoformat().replace("+00:00", "Z"),
        "data": data,
    }


def order(
    customer: str,
    at: float | datetime,
    *,
    id: str | None = None,
    amount: int = 1000,
    **data: Any,
) -> dict[str, Any]:
    """An order.completed; its order_id is the event's id."""
    made = event(customer, "order.completed", at, id=id)
    made["data"] = {"order_id": made["id"], "total": {"amount": amount, "currency": "EUR"}, **data}
    return made


def tick(at: float | datetime) -> dict[str, Any]:
    """A clock.ticked."""
    time = at if isinstance(at, datetime) else day(at)
    text = time.isoformat().replace("+00:00", "Z")
    return {
        "specversion": "1.0",
        "id": f"tick-{text}",
        "source": "/shop",
        "type": "clock.ticked",
        "time": text,
    }


def control(kind: str, at: float) -> dict[str, Any]:
    """Another record for every partition, such as import.started."""
    return {**tick(at), "id": f"{kind}-{at}", "type": kind}


def encode(event: dict[str, Any]) -> bytes:
    """The bytes of a record."""
    return msgspec.json.encode(event)
