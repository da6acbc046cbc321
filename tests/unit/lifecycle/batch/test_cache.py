"""The customers in memory are bounded, and known by the worker's schedule."""

from typing import cast

import pytest

from services.lifecycle.batch.cache import CustomerCache
from services.lifecycle.batch.entry import event_key
from shared.stream.handler import Reader
from tests.support.batches import EmptyDatabase, incoming
from tests.support.builders import order


async def loaded(names: str, *, customers: int = 100, events: int = 100) -> CustomerCache:
    cache = CustomerCache(cast(Reader, EmptyDatabase()), customers=customers, events=events)
    await cache.load(dict.fromkeys(names, 3), known=7)
    return cache


async def test_a_customer_who_is_not_stored_begins_with_the_schedule_that_is_known() -> None:
    cache = await loaded("a")
    assert (cache["a"].partition, cache["a"].customer.known, cache["a"].version) == (3, 7, 0)


async def test_a_customer_in_memory_is_not_loaded_again() -> None:
    cache = await loaded("a")
    entry = cache["a"]
    await cache.load({"a": 3, "b": 3}, known=8)
    assert cache["a"] is entry
    assert cache["b"].customer.known == 8


async def test_customers_and_events_are_bounded() -> None:
    cache = await loaded("abc", customers=2)
    assert cache.is_full
    cache = await loaded("abc", events=4)
    assert not cache.is_full
    cache.add_events(cache["a"], {1, 2, 3, 4, 5})
    assert cache.is_full


async def test_shrinking_forgets_the_older_half_and_its_events() -> None:
    cache = await loaded("abc", events=4)
    cache.add_events(cache["a"], {1, 2, 3})
    cache.add_events(cache["c"], {4, 5})
    cache.shrink()
    assert cache["c"].event_keys == {4, 5}
    for forgotten in "ab":
        with pytest.raises(KeyError):
            cache[forgotten]
    assert not cache.is_full
    cache.add_events(cache["c"], {6, 7})
    assert not cache.is_full
    cache.add_events(cache["c"], {8})
    assert cache.is_full


async def test_clearing_forgets_everything() -> None:
    cache = await loaded("a", customers=0)
    cache.clear()
    assert not cache.is_full
    with pytest.raises(KeyError):
        cache["a"]


def test_source_and_id_together_identify_an_event() -> None:
    one = order("a", 1, id="o1")
    keys = {
        event_key(incoming(event).event)
        for event in (one, {**one, "source": "/other"}, {**one, "id": "o2"})
    }
    assert len(keys) == 3
    assert event_key(incoming(one).event) == event_key(incoming({**one, "subject": "b"}).event)


def test_whom_it_was_sent_for_identifies_an_event_that_a_merge_brought_over() -> None:
    own = order("a", 1, id="o1")
    origins = ("b", "c")
    keys = {event_key(incoming(own | {"mergedfrom": origin}).event) for origin in origins}
    assert len(keys | {event_key(incoming(own).event)}) == 3
