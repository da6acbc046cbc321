"""Periods of figures: whole UTC days, half-open, each with the one of the same length before."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Self, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared import instants
from shared.errors import FieldError, Problem
from shared.events import fields

DEFAULT_DAYS: Final = 30
"""The length of a period without `from`."""

Account: TypeAlias = fields.Account


_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _day(value: object) -> date:
    """The day in a query parameter. Raises PydanticCustomError unless it is a whole UTC day."""
    if not isinstance(value, str):
        raise PydanticCustomError("not_a_day", "must be a day such as 2024-05-01")
    if _DAY.fullmatch(value):
        return instants.parse(f"{value}T00:00:00Z").date()
    try:
        instant = instants.parse(value)
    except PydanticCustomError as error:
        if error.type != "not_an_instant":
            raise
        raise PydanticCustomError("not_a_day", "must be a day such as 2024-05-01") from None
    if instant.time() != time.min:
        raise PydanticCustomError(
            "not_midnight", "must be a day, or the instant at which a day begins in UTC"
        )
    return instant.date()


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
"""A query parameter: `2024-05-01`, or the instant at which it begins in UTC."""


@dataclass(frozen=True, slots=True)
class Period:
    """All instants from 00:00Z of `begins` on and before 00:00Z of `ends`."""

    begins: date
    ends: date

    @classmethod
    def requested(
        cls, begins: date | None, ends: date | None, *, least: datetime, furthest: datetime
    ) -> Self:
        """The period that `from` and `to` ask for, given the least and the furthest clock.

        Without `to` it ends with the last day that every clock has passed; without `from` it has 30
        days. Raises Problem 422: `in_the_future` for a `to` behind the furthest clock, `invalid`
        unless `from` is before `to`.
        """
        if ends is not None and midnight(ends) > furthest:
            wrong = FieldError(
                "to", f"lies after the clock, {instants.render(furthest)}: nobody knows yet"
            )
            raise Problem(422, "in_the_future", "The period has not ended.", errors=(wrong,))
        until = ends or least.astimezone(UTC).date()
        since = begins or until - timedelta(days=DEFAULT_DAYS)
        if since >= until:
            wrong = FieldError("from", f"must be before to, {until}")
            raise Problem(422, "invalid", "from: must be before to.", errors=(wrong,))
        return cls(since, until)

    @property
    def since(self) -> datetime:
        """The first instant."""
        return midnight(self.begins)

    @property
    def until(self) -> datetime:
        """The first instant after it."""
        return midnight(self.ends)

    @property
    def days(self) -> int:
        """How long it is."""
        return (self.ends - self.begins).days

    @property
    def before(self) -> "Period":
        """The period of the same length that ends where this one begins."""
        return Period(date.fromordinal(max(1, self.begins.toordinal() - self.days)), self.begins)


def midnight(day: date) -> datetime:
    """The instant at which a day begins in UTC."""
    return datetime.combine(day, time.min, UTC)


def latest_periods(day: date) -> list[Period]:
    """The periods read most on a day: the last 30 days, the last whole month, quarter and year."""
    month = day.replace(day=1)
    firsts = {
        1: month,
        3: month.replace(month=(month.month - 1) // 3 * 3 + 1),
        12: month.replace(month=1),
    }
    whole = [Period(_months_before(first, months), first) for months, first in firsts.items()]
    periods = [Period(date.fromordinal(max(1, day.toordinal() - DEFAULT_DAYS)), day), *whole]
    return [period for period in periods if period.days]


def _months_before(first: date, months: int) -> date:
    year, month = divmod(max(12, first.year * 12 + first.month - 1 - months), 12)
    return date(year, month + 1, 1)
