"""All pages of a list, and changes that are followed."""

from contextlib import aclosing
from itertools import islice

import httpx

from shared.client.errors import Unavailable
from shared.client.lifecycle import AsyncLifecycleClient
from shared.client.pages import aevery, afollow, every, follow
from tests.support.fake_service import BUSY, CHANGES, FakeService, lifecycle

PAGES = [
    {"items": [{"name": "a"}, {"name": "b"}], "next_cursor": "more"},
    {"items": [], "next_cursor": "most"},
    {"items": [{"name": "c"}], "next_cursor": None},
]


async def test_every_item_of_every_page_comes_once() -> None:
    shop = FakeService(*(httpx.Response(200, json=page) for page in PAGES))
    with lifecycle(shop) as api:
        assert [policy["name"] for policy in every(api.list_policies, limit=2)] == ["a", "b", "c"]
    assert [request.url.query for request in shop.seen] == [
        b"limit=2",
        b"limit=2&cursor=more",
        b"limit=2&cursor=most",
    ]
    again = FakeService(*(httpx.Response(200, json=page) for page in PAGES))
    async with AsyncLifecycleClient(
        "http://shop", "key", transport=httpx.MockTransport(again)
    ) as later:
        assert [policy["name"] async for policy in aevery(later.list_policies)] == ["a", "b", "c"]


POLLS = [b"after=now&limit=7", b"after=a&limit=7&wait_s=30.0", b"after=a&limit=7&wait_s=30.0"]


def test_changes_are_followed_from_a_first_page_that_says_where_one_is() -> None:
    shop = FakeService(*CHANGES)
    with lifecycle(shop) as api:
        assert [page["next"] for page in islice(follow(api, "now", limit=7), 2)] == ["a", "b"], (
            "no empty page later"
        )
    assert [request.url.query for request in shop.seen] == POLLS


async def test_changes_are_followed_asynchronously_too_over_a_break() -> None:
    shop = FakeService(CHANGES[0], CHANGES[1], BUSY, CHANGES[2])
    told = list[Unavailable]()
    transport = httpx.MockTransport(shop)
    async with (
        AsyncLifecycleClient(
            "http://shop", "key", transport=transport, on_retry=told.append
        ) as api,
        aclosing(afollow(api, "now", limit=7)) as pages,
    ):
        assert [(await anext(pages))["next"], (await anext(pages))["next"]] == ["a", "b"]
    assert [request.url.query for request in shop.seen] == [*POLLS, POLLS[-1]]
    assert [error.status for error in told] == [503], "and whoever wants to know is told"
