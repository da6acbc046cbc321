"""Deadlines that are due when the clock ticks, and when the table of timers is written."""

import pytest

from services.lifecycle.batch import timers
from services.lifecycle.batch.timers import Timers
from shared.events.envelope import CLOCK_TICKED, decode
from tests.support.batches import PARTITIONS, MemoryShop
from tests.support.builders import day, order


async def test_a_tick_fires_the_deadlines_that_this_batch_has_set() -> None:
    shop = MemoryShop()
    work = shop.new_work(order("anna", 0), order("ben", 150), tick=200)
    await shop.fold(work)
    moves = [(row[0], row[5]) for row in work.recorder.transitions]
    assert ("anna", "silence_begins") in moves
    assert ("ben", "silence_begins") not in moves
    recorded = {row[7] for row in work.recorder.transitions if row[5] == "silence_begins"}
    assert recorded == {day(200)}


async def test_without_a_tick_nothing_fires() -> None:
    shop = MemoryShop()
    work = shop.new_work(order("anna", 0))
    await shop.fold(work)
    assert [row[5] for row in work.recorder.transitions] == ["first_purchase"]


async def test_deadlines_from_before_an_open_import_wait_for_its_end() -> None:
    shop = MemoryShop()
    work = shop.new_work(order("anna", 0), tick=200)
    for portion in work.batch.portions.values():
        portion.import_open = True
        portion.import_began = day(190)
    await shop.fold(work)
    assert [row[5] for row in work.recorder.transitions] == ["first_purchase"]


async def test_a_deadline_whose_fold_fails_parks_the_customer_and_disarms_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = MemoryShop()
    await shop.fold(shop.new_work(order("anna", 0)))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(timers, "pass_time", broken)
    work = shop.new_work(tick=200)
    work.touched["anna"] = shop.cache["anna"]
    await Timers(shop.reader, shop.cache, shop.folds(work), work, limit=10).fire()
    entry = shop.cache["anna"]
    assert entry.parked is not None
    assert entry.parked.startswith("ZeroDivisionError at ")
    assert entry.armed is None
    assert work.timers == {"anna": (entry.partition, None)}


async def test_the_ticks_that_are_worked_off_go_on() -> None:
    shop = MemoryShop()
    work = shop.new_work(tick=5)
    step = Timers(shop.reader, shop.cache, shop.folds(work), work, limit=10)
    await step.fire()
    work.batch.portions[2].unfinished = True
    messages = step.finished_ticks()
    assert [message.partition for message in messages] == [0, 1, 3]
    assert len(messages) == PARTITIONS - 1
    ticked = decode(messages[0].body)
    assert (ticked.type, ticked.time) == (CLOCK_TICKED, day(5))


async def test_a_later_order_leaves_the_timer_where_it_is() -> None:
    shop = MemoryShop()
    first = shop.new_work(order("anna", 0))
    await shop.fold(first)
    armed = shop.cache["anna"].armed
    assert first.timers == {"anna": (shop.cache["anna"].partition, armed)}
    second = shop.new_work(order("anna", 20))
    await shop.fold(second)
    assert second.timers == {}
    assert shop.cache["anna"].armed == armed
    wakes_at = shop.cache["anna"].customer.wakes_at
    assert armed is not None
    assert wakes_at is not None
    assert wakes_at > armed


async def test_a_timer_that_goes_off_too_early_is_set_exactly() -> None:
    shop = MemoryShop()
    await shop.fold(shop.new_work(order("anna", 0)))
    await shop.fold(shop.new_work(order("anna", 20)))
    entry = shop.cache["anna"]
    work = shop.new_work()
    work.arm(entry, exactly=True)
    assert entry.armed == entry.customer.wakes_at
    assert work.timers == {"anna": (entry.partition, entry.armed)}
