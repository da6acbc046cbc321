"""Customers folded on in memory, one batch after the other."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from services.lifecycle.batch import folds
from services.lifecycle.domain import fold
from services.lifecycle.domain.state.happenings import Happening
from tests.support.batches import MemoryShop, dead_letters
from tests.support.builders import day, event, order


async def test_two_batches_lead_to_the_state_that_one_leads_to() -> None:
    events = [order("anna", number, id=f"o{number}") for number in (0, 10, 20)]
    one, two = MemoryShop(), MemoryShop()
    await one.fold(one.new_work(*events))
    for some in (events[:1], events[1:]):
        await two.fold(two.new_work(*some))
    assert one.cache["anna"].customer == two.cache["anna"].customer
    assert one.cache["anna"].version == two.cache["anna"].version
    assert one.cache["anna"].customer.orders == 3
    assert one.cache["anna"].version == 2, "the first purchase, and the habit"


@pytest.mark.parametrize(
    ("later", "late"),
    [
        (order("anna", 6), False),
        (order("anna", 4), True),
        (order("anna", 6, id="again", order_id="o5"), False),
        (event("anna", "order.cancelled", 6, order_id="o5"), False),
        (event("anna", "order.cancelled", 6, order_id="o1"), True),
        (event("anna", "order.cancelled", 6, order_id="o7"), False),
        (event("anna", "page.viewed", 4), True),
    ],
)
async def test_what_is_late_or_changes_an_old_order_takes_more_than_the_state(
    later: dict[str, Any], late: bool
) -> None:
    shop = MemoryShop()
    await shop.fold(shop.new_work(*(order("anna", n, id=f"o{n}") for n in range(1, 6))))
    before = shop.cache["anna"].customer
    work = shop.new_work(later)
    assert await shop.fold(work) == (["anna"] if late else [])
    assert (shop.cache["anna"].customer is before) is late
    assert ("anna" in work.touched) is not late


async def test_an_event_behind_the_clock_is_judged_as_of_the_clock() -> None:
    shop = MemoryShop()
    work = shop.new_work(order("anna", 0), clock=400)
    await shop.fold(work)
    rules = [row[5] for row in work.recorder.transitions]
    assert rules == ["first_purchase", "silence_begins", "fell_silent"]
    assert {row[7] for row in work.recorder.transitions} == {day(400)}


async def test_a_fold_that_fails_parks_its_customer_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fold_on = fold.fold_on

    def broken(state: Any, happenings: Sequence[Happening], *rest: Any) -> Any:
        if any(happening.id == "bad" for happening in happenings):
            raise ZeroDivisionError("a bug")
        return fold_on(state, happenings, *rest)

    monkeypatch.setattr(folds, "fold_on", broken)
    shop = MemoryShop()
    await shop.fold(shop.new_work(order("anna", 0)))
    work = shop.new_work(order("anna", 1, id="bad"), order("anna", 2), order("ben", 1))
    assert await shop.fold(work) == []
    parked = shop.cache["anna"]
    assert parked.parked is not None
    assert re.fullmatch(r"ZeroDivisionError at tests/\S+:\d+ in broken", parked.parked)
    assert parked.customer.orders == 1
    assert len(parked.event_keys) == 1, "released, the others must be new"
    assert work.timers["anna"] == (parked.partition, None), "its deadlines rest, too"
    assert dead_letters(work) == [("parked", "anna")] * 2
    assert shop.cache["ben"].parked is None
    assert [(row.customer, row.parked is None) for row in work.customers] == [
        ("anna", False),
        ("ben", True),
    ]
    assert len(work.events) == 1
