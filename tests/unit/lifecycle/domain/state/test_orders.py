"""What an order brings, and what each refund or cancellation takes away."""

from typing import Final

import pytest

from services.lifecycle.domain.state.happenings import (
    EventKind,
    Happening,
    Order,
    OrderUndoing,
    Price,
    SignedPrice,
)
from services.lifecycle.domain.state.orders import OrderAmounts, Orders, full_amounts
from tests.support.builders import day

PLACED: Final = Order("o", Price(1000, "EUR"), margin=SignedPrice(300, "EUR"))
COMPLETED: Final = Happening(day(0), 0, "/shop", "e", EventKind.ORDER, PLACED)
ALL: Final = OrderUndoing("o")


def refund(amount: int, currency: str = "EUR") -> OrderUndoing:
    return OrderUndoing("o", amount, currency)


def test_an_order_brings_its_total_and_margin() -> None:
    amounts = Orders().place(COMPLETED, PLACED)
    assert amounts == OrderAmounts("EUR", 1000, 300, key=COMPLETED.key)


def test_an_order_that_no_event_has_named_brings_the_same() -> None:
    amounts = Orders().place(COMPLETED, PLACED)
    fresh = full_amounts(PLACED)
    assert amounts is not None
    assert (fresh.amount, fresh.margin, fresh.all_undone) == (
        amounts.amount,
        amounts.margin,
        amounts.all_undone,
    )


def test_an_order_is_placed_once() -> None:
    orders = Orders()
    orders.place(COMPLETED, PLACED)
    assert orders.place(Happening(day(1), 0, "/shop", "f", EventKind.ORDER, PLACED), PLACED) is None


def test_a_margin_in_another_currency_does_not_count() -> None:
    order = Order("o", Price(1000, "EUR"), margin=SignedPrice(300, "USD"))
    assert full_amounts(order).margin is None


AFTER: Final[dict[str, tuple[list[OrderUndoing], list[tuple[int, int | None, bool] | None]]]] = {
    "a part, and its share of the margin": ([refund(400)], [(400, 120, False)]),
    "all": ([ALL], [(1000, 300, True)]),
    "the total is all": ([refund(1000)], [(1000, 300, True)]),
    "more than the total is all": ([refund(5000)], [(1000, 300, True)]),
    "the rest": ([refund(400), ALL], [(400, 120, False), (600, 180, True)]),
    "nothing after all": ([ALL, refund(400)], [(1000, 300, True), None]),
    "nothing in another currency": ([refund(400, "USD")], [(0, 0, False)]),
    "no cent of the margin gets lost": (
        [refund(333), refund(333), refund(334)],
        [(333, 100, False), (333, 100, False), (334, 100, True)],
    ),
}
"""Undoings of the order, and amount, margin and `all_undone` of what each of them takes away."""


@pytest.mark.parametrize("name", AFTER)
def test_an_undoing_takes_away(name: str) -> None:
    undoings, expected = AFTER[name]
    orders = Orders()
    orders.place(COMPLETED, PLACED)
    taken = [orders.undo(undoing) for undoing in undoings]
    assert [each and (each.amount, each.margin, each.all_undone) for each in taken] == expected
    assert {each.key for each in taken if each} <= {COMPLETED.key}


def test_what_was_undone_before_is_left_out_when_the_order_comes() -> None:
    orders = Orders()
    assert orders.undo(refund(400)) is None
    amounts = orders.place(COMPLETED, PLACED)
    assert amounts == OrderAmounts("EUR", 600, 180, key=COMPLETED.key)


def test_an_order_cancelled_before_it_comes_brings_nothing() -> None:
    orders = Orders()
    assert orders.undo(ALL) is None
    amounts = orders.place(COMPLETED, PLACED)
    assert amounts == OrderAmounts("EUR", 0, 0, all_undone=True, key=COMPLETED.key)


def test_an_order_of_nothing_is_undone_by_a_refund_of_nothing() -> None:
    free = Order("o", Price(0, "EUR"))
    orders = Orders()
    placed = orders.place(COMPLETED, free)
    assert placed is not None
    assert not placed.all_undone
    amounts = orders.undo(refund(0))
    assert amounts is not None
    assert amounts.all_undone


def test_orders_are_told_apart_by_their_id() -> None:
    orders = Orders()
    orders.place(COMPLETED, PLACED)
    assert orders.undo(OrderUndoing("other")) is None
