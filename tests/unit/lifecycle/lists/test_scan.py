"""A scan finds all hits, a page at a time, and ends a page that would take too long."""

from typing import Any, Final

import pytest

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.lists import scan
from services.lifecycle.lists.filters import Filters
from services.lifecycle.lists.repository import ListedCustomer
from services.lifecycle.lists.scan import CustomerScan
from services.lifecycle.lists.search import Candidates
from tests.support.builders import day
from tests.support.lives import live
from tests.support.purchase_events import buys

TX: Final[Any] = None
SCHEDULE: Final = Schedule([Activation(0, day(-1000), Policy())])
"""A customer who bought on a day is at risk 90 days later."""


def stored(number: int) -> ListedCustomer:
    """A customer who bought on the day of its number."""
    state = live(buys(number), number, SCHEDULE.at(day(0))).customer
    return ListedCustomer(f"c{number:02d}", 0, 1, number, None, None, 1000, "EUR", state)


class FakePath:
    """Customers in the order of their ids, looked at in stretches of so many."""

    def __init__(self, numbers: int, filters: Filters, *, stretch: int = 1000) -> None:
        self.filters = filters
        self.asked = list[int]()
        self._rows = [stored(number) for number in range(numbers)]
        self._stretch = stretch

    async def next_candidates(self, _: Any, after: str, limit: int) -> Candidates:
        self.asked.append(limit)
        behind = [row for row in self._rows if row.customer > after]
        rows = behind[: min(limit, self._stretch)]
        is_end = len(rows) == len(behind) < limit
        return Candidates(rows, None if is_end else rows[-1].customer)


def start(path: Any) -> CustomerScan:
    return CustomerScan(path, SCHEDULE, "")


async def pages(path: Any, limit: int) -> list[list[str]]:
    """The customers of all pages, each found by a scan of its own as requests do."""
    found = list[list[str]]()
    after: str | None = ""
    while after is not None:
        page = await CustomerScan(path, SCHEDULE, after).next_page(TX, limit)
        found.append([hit.row.customer for hit in page.hits])
        after = page.last
    return found


@pytest.mark.parametrize(
    ("numbers", "limit", "sizes"),
    [(0, 3, [0]), (3, 3, [3]), (4, 3, [3, 1]), (6, 3, [3, 3]), (7, 3, [3, 3, 1])],
)
async def test_every_customer_is_on_one_page(numbers: int, limit: int, sizes: list[int]) -> None:
    found = await pages(FakePath(numbers, Filters()), limit)
    assert [len(page) for page in found] == sizes
    assert [customer for page in found for customer in page] == [
        f"c{number:02d}" for number in range(numbers)
    ]


async def test_only_customers_who_are_due_are_hits() -> None:
    path = FakePath(9, Filters(due_before=day(94)))
    assert await pages(path, 2) == [["c00", "c01"], ["c02", "c03"]]
    assert set(path.asked) == {scan.MIN_CANDIDATES}, "more candidates than hits are wanted"


async def test_a_page_that_takes_too_long_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "MAX_EFFORT", 3 * scan.JUDGEMENT_EFFORT)
    monkeypatch.setattr(scan, "STRETCH", 0)
    path = FakePath(9, Filters(due_before=day(0)), stretch=2)
    page = await start(path).next_page(TX, 5)
    assert page == ([], "c03"), "two stretches were looked at, and go on behind the second"


async def test_a_scan_that_has_reached_the_end_asks_no_more() -> None:
    path = FakePath(2, Filters())
    walk = start(path)
    assert len(await walk.next_hits(TX, 10)) == 2
    assert walk.reached is None
    assert await walk.next_hits(TX, 10) == []
    assert path.asked == [10]
