"""Lives for `make bench-reads`: the events of one customer in 24 months, at whole hours.

The same seed gives the same life.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.support.builders import event

BEGINS: Final = datetime(2024, 1, 1, tzinfo=UTC)
ENDS: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAYS: Final = (ENDS - BEGINS).days
HOURS: Final = 24 * DAYS - 1
"""The last hour is left empty, so that a life can be moved by less than one."""

FOUNDERS: Final = 0.3
"""Who comes in the first 60 days."""
PROSPECTS: Final = 0.06
BACK: Final = 0.78
"""Who buys has bought for the last time with probability 1 - BACK."""
_ACCOUNTS: Final = (("b2c", 0.7), ("b2b", 0.12), (None, 0.18))
_TOPICS: Final = ("delivery", "quality", "billing", "service", "app")
_SCORES: Final = {
    "nps": (0, 2, 4, 6, 7, 8, 9, 9, 10, 10),
    "csat": (1, 2, 3, 4, 4, 5),
    "review": (1, 3, 4, 5, 5),
}


@dataclass(slots=True)
class Life:
    """The events of a customer so far; times are hours since BEGINS, none beyond the end."""

    customer: str
    luck: random.Random
    events: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, hour: int, what: str, **data: Any) -> None:
        """Something happens."""
        if hour < HOURS:
            told = event(
                self.customer, what, BEGINS + timedelta(hours=hour), id=f"e{len(self.events)}"
            )
            self.events.append({**told, "data": data})

    def soon(self, hour: int, days: float) -> int:
        """An hour after this one, within about so many days."""
        return hour + 1 + int(self.luck.expovariate(1 / (24 * days)))

    def falls(self, chance: float) -> bool:
        """With a probability."""
        return self.luck.random() < chance


def live(customer: str, seed: int) -> list[dict[str, Any]]:
    """The events of a customer."""
    life = Life(customer, random.Random(seed))
    days = 60 if life.falls(FOUNDERS) else DAYS - 20
    hour = life.luck.randrange(24 * days)
    account = life.luck.choices([kind for kind, _ in _ACCOUNTS], [share for _, share in _ACCOUNTS])[
        0
    ]
    if life.falls(0.45) or account:
        life.tell(hour, "customer.signed_up", **({"account": account} if account else {}))
        hour += life.luck.randrange(1, 48)
    if life.falls(PROSPECTS):
        life.tell(hour, "page.viewed", topic="start")
        return life.events
    if account == "b2b" and life.falls(0.4):
        _agree(life, hour)
    _buy(life, hour)
    if not life.events:
        life.tell(24, "page.viewed", topic="start")
    return life.events


def _buy(life: Life, hour: int) -> None:
    """Orders at gaps of the customer's own, until there is no other."""
    gap, price, number = life.luck.lognormvariate(4.5, 0.8), life.luck.lognormvariate(8.3, 0.7), 0
    while hour < HOURS and (not number or life.falls(BACK)):
        amount = max(100, int(life.luck.gauss(price, price / 4)))
        total = {"amount": amount, "currency": "EUR"}
        life.tell(hour, "order.completed", order_id=f"o{number}", total=total)
        _after(life, hour, number, amount)
        hour, number = life.soon(hour, gap), number + 1


def _after(life: Life, hour: int, number: int, amount: int) -> None:
    """What an order brings."""
    if life.falls(0.1):
        life.tell(life.soon(hour, 3), "session.signed_in")
    if not number and life.falls(0.3):
        life.tell(life.soon(hour, 4), "product.activated", product="p1")
    if life.falls(0.03):
        money = {"amount": life.luck.choice((amount, amount // 2)), "currency": "EUR"}
        life.tell(life.soon(hour, 8), "order.refunded", order_id=f"o{number}", amount=money)
    if life.falls(0.01):
        life.tell(life.soon(hour, 1), "order.cancelled", order_id=f"o{number}")
    if life.falls(0.015):
        _recommend(life, life.soon(hour, 30), number)
    _speak(life, hour, number)


def _speak(life: Life, hour: int, number: int) -> None:
    """What the customer says about it."""
    if life.falls(0.035):
        kind = life.luck.choice(("nps", "nps", "csat", "review"))
        score, public = life.luck.choice(_SCORES[kind]), life.falls(0.5)
        life.tell(life.soon(hour, 7), "feedback.submitted", kind=kind, score=score, public=public)
    if life.falls(0.02):
        _complain(life, life.soon(hour, 5), number)
    if life.falls(0.02):
        asked = life.soon(hour, 5)
        about = {"inquiry_id": f"i{number}", "topic": life.luck.choice(_TOPICS)}
        life.tell(asked, "inquiry.opened", **about)
        life.tell(life.soon(asked, 0.2), "inquiry.answered", **about)


def _complain(life: Life, hour: int, number: int) -> None:
    about = {"complaint_id": f"c{number}"}
    life.tell(
        hour,
        "complaint.opened",
        **about,
        topic=life.luck.choice(_TOPICS),
        severity=life.luck.choice((1, 2, 3)),
    )
    answered = life.soon(hour, 0.3)
    life.tell(answered, "complaint.answered", **about)
    life.tell(life.soon(answered, 3), "complaint.resolved", **about, satisfied=life.falls(0.8))


def _recommend(life: Life, hour: int, number: int) -> None:
    outcome = {"referee": f"friend-{number}", "code": "ANNA-7Q2F", "order_id": f"f{number}"}
    life.tell(hour, "referral.succeeded", **outcome)
    if life.falls(0.05):
        life.tell(life.soon(hour, 10), "referral.annulled", **outcome)


def _agree(life: Life, hour: int) -> None:
    """A contract of half a year or a year, renewed or not."""
    months = life.luck.choice((6, 12))
    value = {"amount": 12_000 * months, "currency": "EUR"}
    life.tell(hour, "contract.concluded", contract_id="k1", term_months=months, value=value)
    while hour < HOURS:
        due = hour + 730 * months
        if life.falls(0.2):
            life.tell(
                due - 1000, "contract.cancelled", contract_id="k1", reason_code="no_longer_needed"
            )
            return
        hour = due
        life.tell(hour, "contract.renewed", contract_id="k1", term_months=months)
