"""Orders and contracts of one customer in few words: `buys(0, 1)`, `concludes(0, months=12)`."""

from typing import Any

from tests.support.builders import day, order
from tests.support.customer_events import CUSTOMER, RawEvent, does


def buys(*at: float, **data: Any) -> list[RawEvent]:
    """Return orders of 10.00 EUR with the order ids o<day>."""
    return [order(CUSTOMER, each, id=f"o{each:g}", **data) for each in at]


def cancels_order(at: float, of: str) -> list[RawEvent]:
    """Cancel an order."""
    return does("order.cancelled", at, order_id=of)


def refunds(at: float, of: str, amount: int = 1000, currency: str = "EUR") -> list[RawEvent]:
    """Give money of an order back."""
    return does("order.refunded", at, order_id=of, amount={"amount": amount, "currency": currency})


def concludes(at: float, months: int = 1, of: str = "v", **data: Any) -> list[RawEvent]:
    """Conclude a contract; one of a month from day 0 ends on day 31, its grace on day 45."""
    value = {"amount": 999, "currency": "EUR"}
    return does("contract.concluded", at, contract_id=of, term_months=months, value=value, **data)


def renews(at: float, of: str = "v", **data: Any) -> list[RawEvent]:
    """Renew a contract."""
    return does("contract.renewed", at, contract_id=of, **data)


def gives_notice(at: float, effective: float | None = None, of: str = "v") -> list[RawEvent]:
    """Cancel a contract, at once or for a day to come."""
    later = {} if effective is None else {"effective_at": day(effective).isoformat()}
    return does("contract.cancelled", at, contract_id=of, **later)
