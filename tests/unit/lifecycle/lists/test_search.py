"""How a search is led: by which conditions, and with which arguments."""

import re
from typing import Any

import pytest

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.lists import search
from services.lifecycle.lists.filters import Cause, Filters
from services.lifecycle.lists.search import (
    LEADING,
    SearchPath,
    Statement,
    choose_path,
    count_statement,
    leading_conditions,
)
from tests.support.builders import day

ALL = Filters(Phase.AT_RISK, day(1), day(2), 5000, "b2b", Cause("complaint", "7"))


@pytest.mark.parametrize(
    ("filters", "timers_stale", "names"),
    [
        (Filters(), False, []),
        (Filters(phase=Phase.NEW), False, []),
        (Filters(account="b2c"), False, []),
        (Filters(phase=Phase.NEW, account="b2c"), False, ["account"]),
        (Filters(since_before=day(1)), False, ["since"]),
        (Filters(due_before=day(1)), False, ["due"]),
        (Filters(due_before=day(1)), True, []),
        (Filters(min_value=0), False, []),
        (Filters(min_value=1), False, ["value"]),
        (Filters(cause=Cause("silence")), False, ["cause"]),
        (Filters(cause=Cause("complaint")), False, []),
        (Filters(cause=Cause("silence"), account="b2b"), False, ["account", "cause"]),
        (ALL, False, ["since", "due", "value", "account", "cause"]),
    ],
)
def test_a_condition_leads_if_an_index_knows_who_fulfils_it(
    filters: Filters, timers_stale: bool, names: list[str]
) -> None:
    assert leading_conditions(filters, timers_stale=timers_stale) == names


@pytest.mark.parametrize("leading", [None, *LEADING])
@pytest.mark.parametrize("timers_stale", [False, True])
def test_a_statement_has_an_argument_for_each_of_its_numbers(
    leading: str | None, timers_stale: bool
) -> None:
    path = SearchPath(ALL, timers_stale, leading)
    for statement in (path.candidates("ada", 10), path.end_of_stretch("ada")):
        numbers = {int(number) for number in re.findall(r"\$(\d+)", statement.sql)}
        assert numbers == set(range(1, len(statement.arguments) + 1))
        assert "ada" in statement.arguments
    assert path.candidates("ada", 10).sql.endswith(" ORDER BY c.customer LIMIT 10")


class FakeTx:
    """Answers each statement with what is in store, in this order."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    async def fetch(self, *_: Any) -> Any:
        return self._answers.pop(0)

    async def fetchval(self, *_: Any) -> Any:
        return self._answers.pop(0)


@pytest.mark.parametrize(
    ("counts", "leading"),
    [((7, 3, 9), "value"), ((3, 3, 9), "since"), ((11, 11, 10), "account"), ((11, 11, 11), None)],
)
async def test_the_condition_that_fewest_fulfil_leads_if_they_are_few(
    counts: tuple[int, ...], leading: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", 10)
    filters = Filters(phase=Phase.NEW, since_before=day(1), min_value=1, account="b2c")
    tx: Any = FakeTx([counts])
    assert await choose_path(tx, filters) == SearchPath(filters, False, leading)


@pytest.mark.parametrize("timers_stale", [False, True])
async def test_timers_lead_only_if_they_know_all_policies(timers_stale: bool) -> None:
    filters = Filters(due_before=day(1))
    tx: Any = FakeTx(timers_stale, [(1,)])
    leading = None if timers_stale else "due"
    assert await choose_path(tx, filters) == SearchPath(filters, timers_stale, leading)


def test_counting_ends_when_customers_are_not_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FEW", 10)
    statement = count_statement(ALL, ["since", "value"])
    assert statement.sql.count("LIMIT 11") == 2


def test_arguments_are_numbered_in_their_order() -> None:
    statement = Statement()
    assert [statement.bind("a"), statement.bind("b")] == ["$1", "$2"]
    assert statement.arguments == ["a", "b"]
