"""Which events of a batch are new."""

from typing import Any

import pytest

from services.lifecycle.events import RELEASED
from shared.events.envelope import decode
from tests.support.batches import MemoryShop, dead_letters
from tests.support.builders import event, order

ORDER = order("anna", 1, id="o1")
OTHER_AMOUNT = order("anna", 1, id="o1", amount=2000)
OTHER_TIME = order("anna", 2, id="o1")


async def test_new_events_go_to_their_customers_in_the_order_of_the_log() -> None:
    shop = MemoryShop()
    events = [order("anna", 3, id="o3"), order("ben", 1), order("anna", 1, id="o1")]
    visits = await shop.visits(shop.new_work(*events))
    assert visits.keys() == {"anna", "ben"}
    arrived = [incoming.event.id for incoming in visits["anna"].arrivals.values()]
    assert arrived == ["o3", "o1"]
    folded = [happening.id for happening in visits["anna"].happenings()]
    assert folded == ["o1", "o3"], "the fold takes them in the order of their time"


async def test_an_event_that_comes_twice_in_a_batch_counts_once() -> None:
    shop = MemoryShop()
    work = shop.new_work(ORDER, ORDER)
    visits = await shop.visits(work)
    assert len(visits["anna"].arrivals) == 1
    assert dead_letters(work) == []


async def test_an_event_that_comes_again_in_a_later_batch_is_passed_over() -> None:
    shop = MemoryShop()
    await shop.fold(shop.new_work(ORDER))
    work = shop.new_work(ORDER)
    assert await shop.visits(work) == {}
    assert dead_letters(work) == []


@pytest.mark.parametrize("again", [OTHER_AMOUNT, OTHER_TIME])
async def test_the_same_identity_with_another_content_is_a_dead_letter(
    again: dict[str, Any],
) -> None:
    shop = MemoryShop()
    work = shop.new_work(ORDER, again)
    visits = await shop.visits(work)
    (arrived,) = visits["anna"].arrivals.values()
    assert arrived.event.time == decode(arrived.value).time
    assert dead_letters(work) == [("conflicting_duplicate", None)]


async def test_events_behind_a_merger_are_forwarded_to_the_customer_who_stays() -> None:
    shop = MemoryShop()
    merger = event("anna", "customer.merged", 2, into="ben")
    later = order("anna", 3)
    work = shop.new_work(ORDER, merger, later)
    visits = await shop.visits(work)
    assert work.merged == {"anna": "ben"}
    assert visits["anna"].merges_into == "ben"
    assert len(visits["anna"].arrivals) == 2, "the order before it, and the merger itself"
    (message,) = work.forwarded
    forwarded = decode(message.body)
    assert (message.key, forwarded.subject, forwarded.mergedfrom) == ("ben", "ben", "anna")
    assert forwarded.id == later["id"]


async def test_the_same_merger_under_another_id_is_not_forwarded() -> None:
    shop = MemoryShop()
    mergers = [event("anna", "customer.merged", 2, id=id, into="ben") for id in ("m1", "m2")]
    work = shop.new_work(*mergers)
    await shop.visits(work)
    assert work.forwarded == []


async def test_a_merger_that_closes_a_cycle_is_a_dead_letter() -> None:
    shop = MemoryShop()
    work = shop.new_work(
        event("anna", "customer.merged", 1, into="ben"),
        event("ben", "customer.merged", 2, into="anna"),
    )
    await shop.visits(work)
    assert len(work.merged) == 1, "whichever partition comes first"
    assert dead_letters(work) == [("merge_cycle", None)]


async def test_what_is_said_of_a_rejected_event_names_no_customer() -> None:
    shop = MemoryShop()
    work = shop.new_work(
        ORDER,
        OTHER_AMOUNT,
        event("anna", "customer.merged", 1, into="ben"),
        event("ben", "customer.merged", 2, into="anna"),
    )
    await shop.visits(work)
    details = [letter.detail for portion in work.batch.portions.values() for letter in portion.dead]
    assert len(details) == 2
    assert not any(name in detail for detail in details for name in ("anna", "ben"))


async def test_events_of_a_parked_customer_wait_in_the_dead_letters() -> None:
    shop = MemoryShop()
    await shop.fold(shop.new_work(ORDER))
    shop.cache["anna"].parked = "ZeroDivisionError()"
    work = shop.new_work(order("anna", 2))
    assert await shop.visits(work) == {}
    assert dead_letters(work) == [("parked", "anna")]


async def test_a_release_takes_back_what_this_batch_has_rejected() -> None:
    shop = MemoryShop()
    await shop.fold(shop.new_work(ORDER))
    shop.cache["anna"].parked = "ZeroDivisionError()"
    events = [order("anna", 2), event("anna", RELEASED, 3), order("anna", 4)]
    work = shop.new_work(*events)
    visits = await shop.visits(work)
    assert visits["anna"].released
    assert len(visits["anna"].arrivals) == 2
    assert dead_letters(work) == []


async def test_a_release_of_a_customer_who_is_not_parked_does_nothing() -> None:
    shop = MemoryShop()
    work = shop.new_work(event("anna", RELEASED, 3))
    assert await shop.visits(work) == {}
