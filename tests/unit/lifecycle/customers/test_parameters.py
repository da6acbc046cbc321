"""A request about a merged customer is sent on to the one that it has become."""

from typing import Any

import pytest
from fastapi import APIRouter, Request

from services.lifecycle.customers.parameters import MergeRedirect
from shared.errors import Problem
from shared.ids import CustomerId

router = APIRouter()


@router.get("/v1/customers/{customer}/history")
async def show_history(customer: str) -> str:
    return customer


class FakePool:
    """Knows who a customer is now."""

    def __init__(self, end: str | None) -> None:
        self._end = end
        self.asked = 0

    async def fetchval(self, *_: Any) -> str | None:
        self.asked += 1
        return self._end


def redirect(pool: Any, query: bytes = b"", *, method: str = "GET") -> MergeRedirect:
    scope = {
        "type": "http",
        "method": method,
        "path": "/v1/customers/ada/history",
        "query_string": query,
        "headers": [],
        "server": ("api", 80),
        "scheme": "http",
        "route": router.routes[0],
    }
    return MergeRedirect(CustomerId("ada"), Request(scope), pool)


@pytest.mark.parametrize(
    ("end", "query", "location"),
    [
        ("eve", b"", "/v1/customers/eve/history"),
        ("eve", b"limit=1&model=cxm", "/v1/customers/eve/history?limit=1&model=cxm"),
        ("a/b ü", b"", "/v1/customers/a%2Fb%20%C3%BC/history"),
    ],
)
async def test_the_same_is_asked_about_the_other_customer(
    end: str, query: bytes, location: str
) -> None:
    with pytest.raises(Problem) as raised:
        await redirect(FakePool(end), query).check()
    assert (raised.value.status, raised.value.code) == (301, "merged")
    assert raised.value.location == location


async def test_a_write_is_to_be_sent_again_as_it_is() -> None:
    with pytest.raises(Problem) as raised:
        await redirect(FakePool("eve"), method="POST").check()
    assert (raised.value.status, raised.value.code) == (308, "merged")
    assert raised.value.location == "/v1/customers/eve/history"


async def test_who_is_not_merged_is_not_sent_on() -> None:
    await redirect(FakePool(None)).check()


async def answer() -> str:
    return "found"


async def unknown() -> str:
    raise Problem(404, "unknown_customer", "Nobody.")


async def test_an_answer_needs_no_second_look() -> None:
    pool = FakePool("eve")
    assert await redirect(pool).unless_found(answer()) == "found"
    assert pool.asked == 0


@pytest.mark.parametrize(("end", "status"), [("eve", 301), (None, 404)])
async def test_who_is_not_found_may_be_merged(end: str | None, status: int) -> None:
    with pytest.raises(Problem) as raised:
        await redirect(FakePool(end)).unless_found(unknown())
    assert raised.value.status == status
