"""A lookup finds customers, and follows merges to the end."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.lists import lookup
from services.lifecycle.lists.lookup import find_all
from services.lifecycle.lists.repository import ListedCustomer
from tests.support.builders import day
from tests.support.lives import live
from tests.support.purchase_events import buys

SCHEDULE: Final = Schedule([Activation(0, day(-1000), Policy())])
BUYER: Final = live(buys(0), 1, SCHEDULE.at(day(0))).customer
TX: Final[Any] = None


def stored(id: str, *, into: str | None = None, state: Customer = Customer()) -> ListedCustomer:  # noqa: B008  (frozen)
    return ListedCustomer(id, 0, 1, 1, None, into, 0, None, state)


STORE: Final = {
    row.customer: row
    for row in (
        stored("ada", state=BUYER),
        stored("ada before", into="ada"),
        stored("ada once", into="ada"),
        stored("ada long before", into="ada before"),
        stored("ghost"),
        stored("merged into a ghost", into="ghost"),
        stored("lost", into="nobody"),
    )
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is asked of the database, statement by statement."""
    statements = list[list[str]]()

    async def find_customers(_: Any, ids: Sequence[str]) -> dict[str, ListedCustomer]:
        statements.append(list(ids))
        return {id: STORE[id] for id in ids if id in STORE}

    monkeypatch.setattr(lookup, "find_customers", find_customers)
    return statements


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("id", "end", "is_hit"),
    [
        ("ada", "ada", True),
        ("ada before", "ada", True),
        ("ada long before", "ada", True),
        ("ghost", "ghost", False),
        ("merged into a ghost", "ghost", False),
        ("lost", "nobody", False),
        ("nobody", "nobody", False),
    ],
)
async def test_a_merged_customer_is_who_it_has_become(id: str, end: str, is_hit: bool) -> None:
    found = await find_all(TX, [id], SCHEDULE)
    assert found.end_of_chain(id) == end
    assert (end in found.hits) is is_hit


async def test_no_customer_is_read_twice(asked: list[list[str]]) -> None:
    found = await find_all(TX, ["ada before", "ada", "ada", "ada long before"], SCHEDULE)
    assert asked == [["ada before", "ada", "ada long before"]]
    assert list(found.hits) == ["ada"]
    assert set(found.without_phase) == {"ada before", "ada long before"}


async def test_two_who_became_one_are_followed_together(asked: list[list[str]]) -> None:
    await find_all(TX, ["ada before", "ada once"], SCHEDULE)
    assert asked == [["ada before", "ada once"], ["ada"]]


async def test_a_chain_takes_one_statement_a_link(asked: list[list[str]]) -> None:
    await find_all(TX, ["ada long before"], SCHEDULE)
    assert asked == [["ada long before"], ["ada before"], ["ada"]]
