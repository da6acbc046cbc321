"""Figures by hand: which period is meant, how long stays last, and who waits for whom."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pkgutil import iter_modules

import pytest
from pydantic import TypeAdapter, ValidationError

from services.lifecycle.figures import definitions
from services.lifecycle.figures.catalogue import FIGURES
from services.lifecycle.figures.definitions.flows import FLOWS
from services.lifecycle.figures.figure import share
from services.lifecycle.figures.period import Day, Period
from services.lifecycle.figures.precompute import periods_ahead
from services.lifecycle.figures.single_flight import SingleFlight
from services.lifecycle.figures.sources.kaplan_meier import SurvivalStep, median, survival_curve
from shared.errors import Problem
from tests.support.checkout import ROOT

LEAST, FURTHEST = datetime(2024, 5, 10, 7, tzinfo=UTC), datetime(2024, 5, 12, tzinfo=UTC)


def asked(begins: date | None, ends: date | None) -> Period:
    return Period.requested(begins, ends, least=LEAST, furthest=FURTHEST)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01",
        "2024-05-01T00:00:00Z",
        "2024-05-01T02:00:00+02:00",
        "2024-05-01 02:00+0200",
        "2024-05-01T00:00:00 00:00",
    ],
)
def test_a_day_is_a_date_or_the_instant_at_which_it_begins_in_utc(text: str) -> None:
    assert TypeAdapter(Day).validate_python(text) == date(2024, 5, 1)


@pytest.mark.parametrize(
    "text", ["2024-05-01T12:00:00Z", "2024-05-01T00:00:00+02:00", "2024-02-30", "May", "1800-01-01"]
)
def test_anything_else_is_no_day(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Day).validate_python(text)


def test_a_period_ends_with_the_last_whole_day_and_has_thirty_days_by_default() -> None:
    assert asked(None, None) == Period(date(2024, 4, 10), date(2024, 5, 10))
    assert asked(date(2024, 5, 1), None) == Period(date(2024, 5, 1), date(2024, 5, 10))
    assert asked(None, date(2024, 5, 12)) == Period(date(2024, 4, 12), date(2024, 5, 12))


def test_the_period_before_is_as_long_and_ends_where_this_one_begins() -> None:
    assert Period(date(2024, 3, 1), date(2024, 4, 1)).before == Period(
        date(2024, 1, 30), date(2024, 3, 1)
    )


@pytest.mark.parametrize(
    ("begins", "ends", "code", "field"),
    [
        (None, date(2024, 5, 13), "in_the_future", "to"),
        (date(2024, 5, 1), date(2024, 5, 1), "invalid", "from"),
        (date(2024, 5, 10), None, "invalid", "from"),
    ],
)
def test_a_period_that_has_not_ended_or_not_begun_is_refused(
    begins: date | None, ends: date | None, code: str, field: str
) -> None:
    with pytest.raises(Problem) as refused:
        asked(begins, ends)
    assert (refused.value.status, refused.value.code, refused.value.errors[0].field) == (
        422,
        code,
        field,
    )


def test_survival_by_hand() -> None:
    """Six stays: three end after 1, 3 and 3 days, the others are watched for 1, 2 and 5 days."""
    curve = survival_curve({1: 1, 3: 2}, {1: 1, 2: 1, 5: 1})
    assert [step[:3] for step in curve] == [(1, 6, 1), (3, 3, 2)]
    assert [step.survival for step in curve] == pytest.approx([5 / 6, 5 / 6 * 1 / 3])
    assert median(curve) == 3


def test_nothing_is_known_of_the_days_that_nobody_was_watched_for() -> None:
    assert survival_curve({}, {4: 2}) == []
    assert median(survival_curve({2: 1}, {9: 9})) is None
    assert survival_curve({0: 1}, {0: 1}) == [SurvivalStep(0, 2, 1, 0.5)]


def test_a_share_of_nobody_is_nothing() -> None:
    assert (share(1, 4), share(0, 0)) == (0.25, None)


def test_what_one_revision_of_a_figure_has_stored_is_nothing_to_the_next() -> None:
    figures = [*FIGURES.values(), *FLOWS.values()]
    keys = {figure.key for figure in figures}
    assert len(keys) == len(FIGURES) + len(FLOWS) - 1
    assert keys.isdisjoint(replace(figure, revision=figure.revision + 1).key for figure in figures)


def test_the_documentation_has_formula_source_and_example_of_every_figure() -> None:
    sections = (ROOT / "docs/figures.md").read_text().split("\n## ")[1:]
    told = {name: text for name, _, text in (section.partition("\n") for section in sections)}
    for figure in FIGURES.values():
        text = told[figure.name]
        assert (
            f"*{figure.formula[0].upper()}{figure.formula[1:]}.* Unit: `{figure.unit}`." in text
        ), figure.name
        assert all(f"**{part}.**" in text for part in ("Formula", "Source", "Example")), figure.name
    assert [name for name in told if name in FIGURES] == list(FIGURES)


class Work:
    """Something that takes until it is let go, and counts how often it was begun."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.go, self._error = 0, asyncio.Event(), error

    async def __call__(self) -> int:
        self.begun += 1
        await self.go.wait()
        if self._error:
            raise self._error
        return self.begun


async def asking(
    n: int, work: Callable[[], Awaitable[int]], flights: SingleFlight
) -> list[asyncio.Task[int]]:
    tasks = [asyncio.ensure_future(flights.once("key", work)) for _ in range(n)]
    await asyncio.sleep(0)
    return tasks


async def test_callers_at_the_same_time_share_one_answer_and_a_later_one_gets_another() -> None:
    flights, work = SingleFlight(), Work()
    tasks = await asking(5, work, flights)
    work.go.set()
    assert await asyncio.gather(*tasks) == [1] * 5
    assert await flights.once("key", work) == 2


async def test_what_goes_wrong_is_told_to_all() -> None:
    work = Work(OSError("gone"))
    tasks = await asking(3, work, SingleFlight())
    work.go.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in found] == [OSError] * 3
    assert work.begun == 1


async def test_if_the_first_gives_up_another_begins_anew() -> None:
    work = Work()
    first, *others = await asking(3, work, SingleFlight())
    first.cancel()
    await asyncio.wait((first,))
    work.go.set()
    assert await asyncio.gather(*others) == [2, 2]


def test_computed_ahead_are_the_latest_whole_periods_and_those_before_them() -> None:
    months = Period(date(2024, 4, 1), date(2024, 5, 1)), Period(date(2024, 3, 2), date(2024, 4, 1))
    quarters = (
        Period(date(2024, 1, 1), date(2024, 4, 1)),
        Period(date(2023, 10, 2), date(2024, 1, 1)),
    )
    years = Period(date(2023, 1, 1), date(2024, 1, 1)), Period(date(2022, 1, 1), date(2023, 1, 1))
    days = (
        Period(date(2024, 4, 10), date(2024, 5, 10)),
        Period(date(2024, 3, 11), date(2024, 4, 10)),
    )
    assert periods_ahead(date(2024, 5, 10)) == [*days, *months, *quarters, *years]
    assert Period(date(2023, 12, 1), date(2024, 1, 1)) in periods_ahead(date(2024, 1, 1))


@pytest.mark.parametrize("day", [date.min, date(1, 1, 2), date(1, 5, 5), date(2, 1, 1), date.max])
def test_at_either_end_of_the_calendar_there_are_latest_periods_too(day: date) -> None:
    assert all(period.begins < period.ends <= day for period in periods_ahead(day))


def test_every_definition_is_in_the_catalogue() -> None:
    modules = {
        f"{definitions.__name__}.{module.name}" for module in iter_modules(definitions.__path__)
    }
    assert {figure.value.__module__ for figure in FIGURES.values()} == modules
