"""What a customer's state says of itself: sums, instants, and events that come too late."""

from datetime import datetime
from typing import Final

import pytest

from services.lifecycle.domain.state.customer import Customer, to_money
from services.lifecycle.domain.state.happenings import EventKind, Happening
from tests.support.builders import day

REVENUES: Final[dict[str, tuple[dict[str, int], tuple[int, str | None]]]] = {
    "nothing bought": ({}, (0, None)),
    "everything refunded": ({"EUR": 0}, (0, "EUR")),
    "one currency": ({"EUR": 700}, (700, "EUR")),
    "the larger number": ({"EUR": 700, "JPY": 900}, (900, "JPY")),
    "of equal numbers the later code": ({"EUR": 700, "USD": 700}, (700, "USD")),
    "in whatever order": ({"USD": 700, "EUR": 700}, (700, "USD")),
}


@pytest.mark.parametrize("name", REVENUES)
def test_the_largest_revenue(name: str) -> None:
    revenue, expected = REVENUES[name]
    assert Customer(revenue=revenue).largest_revenue == expected


def test_money_is_listed_by_currency() -> None:
    money = to_money({"USD": 1, "EUR": 2})
    assert [(one.amount, one.currency) for one in money] == [(2, "EUR"), (1, "USD")]


@pytest.mark.parametrize(
    ("due", "hint_due", "expected"),
    [
        (None, None, None),
        (day(1), None, day(1)),
        (None, day(2), day(2)),
        (day(1), day(2), day(1)),
        (day(3), day(2), day(2)),
    ],
)
def test_a_customer_wakes_at_the_earlier_of_deadline_and_hint(
    due: datetime | None, hint_due: datetime | None, expected: datetime | None
) -> None:
    assert Customer(due=due, hint_due=hint_due).wakes_at == expected


def test_now_is_the_last_instant_seen() -> None:
    heard = Customer(last_event=(day(2), 0, "/shop", "e", ""))
    assert heard.now == day(2)
    assert Customer(last_event=heard.last_event, reached=day(3)).now == day(3)


LATE: Final[dict[str, tuple[Happening, bool]]] = {
    "before the last event": (Happening(day(1), 0, "/shop", "e", EventKind.SEEN), True),
    "after the last event, before what was due": (
        Happening(day(2.5), 0, "/shop", "e", EventKind.SEEN),
        True,
    ),
    "at what was due": (Happening(day(3), 0, "/shop", "e", EventKind.SEEN), False),
    "later": (Happening(day(4), 0, "/shop", "e", EventKind.SEEN), False),
}


@pytest.mark.parametrize("name", LATE)
def test_an_event_is_late_before_what_was_folded(name: str) -> None:
    happening, expected = LATE[name]
    customer = Customer(last_event=(day(2), 0, "/shop", "m", ""), reached=day(3))
    assert customer.is_late(happening) is expected


@pytest.mark.parametrize(("id", "expected"), [("a", True), ("m", False), ("z", False)])
def test_of_one_instant_the_key_decides(id: str, expected: bool) -> None:
    customer = Customer(last_event=(day(2), 0, "/shop", "m", ""))
    happening = Happening(day(2), 0, "/shop", id, EventKind.SEEN)
    assert customer.is_late(happening) is expected
