"""Instants as text: read as RFC 3339 with any zone, written in UTC with `Z`."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(Z|z|[+-]\d\d:\d\d)?", re.ASCII
)
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 9998


def parse(text: str) -> datetime:
    """Return the instant in UTC, cut to the microsecond.

    Raises PydanticCustomError (a ValueError) of type `not_an_instant`, `no_zone` or `out_of_range`.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise PydanticCustomError(
            "not_an_instant",
            "must be an RFC 3339 instant such as 2024-05-01T12:00:00Z (in a URL, + is written %2B)",
        )
    if match[1] is None:
        raise PydanticCustomError("no_zone", "must name its zone: Z or an offset such as +02:00")
    try:
        instant = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("not_an_instant", "no such day or time of day") from None
    return _within(instant)


def render(instant: datetime) -> str:
    """Return text such as `2024-05-01T12:00:00Z`; a fraction only where there is one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _within(instant: datetime) -> datetime:
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise PydanticCustomError("out_of_range", "must lie in the years 1900 to 9998")
    return instant


def _validate(value: object) -> datetime:
    if isinstance(value, str):
        return parse(value)
    if not isinstance(value, datetime):
        raise PydanticCustomError("not_an_instant", "must be a string with an RFC 3339 instant")
    if value.tzinfo is None:
        raise PydanticCustomError("no_zone", "must name its zone")
    return _within(value.astimezone(UTC))


_Text = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Instant = Annotated[datetime, BeforeValidator(_validate, json_schema_input_type=_Text)]
"""A pydantic field: text or an aware datetime in, UTC inside, `…Z` in JSON."""
