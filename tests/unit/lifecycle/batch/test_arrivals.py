"""Which events of a batch are new."""

from itertools import islice
from typing import Any

import pytest

from services.lifecycle.events import RELEASED
from shared.events.envelope import decode
from shared.ids import partition_of
from tests.support.batches import PARTITIONS, MemoryShop, dead_letters
from tests.support.builders import event, order

ORDER = order("anna", 1, id="o1")
OTHER_AMOUNT = order("anna", 1, id="o1", amount=2000)
OTHER_TIME = order("anna", 2, id="o1")


def same_partition() -> list[str]:
    """Two customers of one partition."""
    names = (f"customer-{n}" for n in range(1000))
    return list(islice((name for name in names if partition_of(name, PARTITIONS) == 0), 2))


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


async def test_a_merge_decides_for_the_whole_batch_what_becomes_of_its_events() -> None:
    shop = MemoryShop()
    merge = event("anna", "customer.merged", 2, into="ben")
    work = shop.new_work(ORDER, merge, order("anna", 3))
    visit = (await shop.visits(work))["anna"]
    assert visit.is_moving
    assert visit.merges.into == "ben"
    assert len(visit.arrivals) == 3, "the id stores its own events, merged or not"
    assert work.forwarded == [], "they go on when the whole batch is read"


async def test_an_unmerge_in_the_same_batch_takes_a_merge_back() -> None:
    shop = MemoryShop()
    merge = event("anna", "customer.merged", 2, into="ben")
    work = shop.new_work(merge, event("anna", "customer.unmerged", 3))
    assert (await shop.visits(work))["anna"].merges.into is None


async def test_ids_may_be_merged_the_other_way_round_once_they_have_parted() -> None:
    """Both ids are on one partition, so that the order of the log is theirs."""
    shop = MemoryShop()
    one, two = same_partition()
    work = shop.new_work(
        event(one, "customer.merged", 1, into=two),
        event(one, "customer.unmerged", 2),
        event(two, "customer.merged", 3, into=one),
    )
    visits = await shop.visits(work)
    assert [visits[id].merges.into for id in (one, two)] == [None, one]
    assert dead_letters(work) == []


@pytest.mark.parametrize(
    "via", [{}, {"mergedvia": "?"}, {"mergedvia": "[]"}, {"mergedvia": '[["x","2026","",""]]'}]
)
async def test_an_event_of_another_without_the_merge_that_brought_it_is_a_dead_letter(
    via: dict[str, Any],
) -> None:
    shop = MemoryShop()
    work = shop.new_work({**ORDER, "mergedfrom": "ben", **via})
    assert await shop.visits(work) == {}
    assert dead_letters(work) == [("invalid_data", None)]


async def test_a_merge_of_an_id_into_itself_is_a_dead_letter() -> None:
    shop = MemoryShop()
    work = shop.new_work(event("anna", "customer.merged", 1, into="anna"))
    assert await shop.visits(work) == {}
    assert dead_letters(work) == [("merge_cycle", None)]


async def test_what_is_said_of_a_rejected_event_names_no_customer() -> None:
    shop = MemoryShop()
    work = shop.new_work(
        ORDER,
        OTHER_AMOUNT,
        event("anna", "customer.merged", 1, into="ben"),
        event("anna", "customer.merged", 2, into="anna"),
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
