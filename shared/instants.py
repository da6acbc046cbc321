"""Instants as text: read as other languages write ISO 8601, written in UTC with `Z`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.bounds import FIRST_INSTANT, LAST_INSTANT

_PLAIN: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
"""RFC 3339 as nearly everybody writes it."""
_OFFSET: Final = r"(?:[01]\d|2[0-3])(?::[0-5]\d(?::[0-5]\d)?|[0-5]\d(?:[0-5]\d)?)?"
_NO_OFFSET: Final = r"00(?::00(?::00)?|00(?:00)?)?"
_ZONE_NAMES: Final = r"(?:\[[!A-Za-z0-9._+/=~-]+\])*"
_PARTS: Final = re.compile(
    r"(?:\+(?:00)?)?(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)?"
    rf"(?: ?([Zz]|UTC|[+-]{_OFFSET})|( {_OFFSET}))?{_ZONE_NAMES}",
    re.ASCII,
)
"""Day, minute, second, its fraction, zone, and a zone whose plus a URL has made a blank."""


def parse(text: str) -> datetime:
    """Return the instant in UTC, cut to the microsecond.

    Raises PydanticCustomError (a ValueError) of type `not_an_instant`, `no_zone` or `out_of_range`.
    """
    plain = text if _PLAIN.fullmatch(text) else _plain(text)
    try:
        written = datetime.fromisoformat(plain)
    except ValueError:
        raise PydanticCustomError("not_an_instant", "no such day or time of day") from None
    if not FIRST_INSTANT.year <= written.year <= LAST_INSTANT.year or _crosses_an_end(written):
        raise _OUT_OF_RANGE
    return written.astimezone(UTC)


def _crosses_an_end(written: datetime) -> bool:
    """Whether the zone could lead out of the range; a regular expression can see no more."""
    offset = written.utcoffset() or _NONE
    if offset > _NONE:
        return written.date() == FIRST_INSTANT.date()
    return offset < _NONE and written.date() == LAST_INSTANT.date()


def _plain(text: str) -> str:
    """The same instant in RFC 3339."""
    match = _PARTS.fullmatch(text)
    if match is None:
        raise PydanticCustomError(
            "not_an_instant",
            "must be an instant such as 2024-05-01T12:00:00Z or 2024-05-01T14:00:00+02:00",
        )
    day, minute, second, fraction, zone, offset = match.groups()
    if offset:
        zone = offset.replace(" ", "+")
    if zone is None:
        raise PydanticCustomError("no_zone", "must name its zone: Z or an offset such as +02:00")
    zone = zone if zone[0] in "+-" else "Z"
    return f"{day}T{minute}:{second or '00'}.{fraction or '0'}{zone}"


def render(instant: datetime) -> str:
    """Return text such as `2024-05-01T12:00:00Z`; a fraction only where there is one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


_NONE: Final = timedelta()
_OUT_OF_RANGE: Final = PydanticCustomError("out_of_range", "must lie in the years 1900 to 9998")


def _within(instant: datetime) -> datetime:
    if not FIRST_INSTANT <= instant <= LAST_INSTANT:
        raise _OUT_OF_RANGE
    return instant


def _validate(value: object) -> datetime:
    if isinstance(value, str):
        return parse(value)
    if not isinstance(value, datetime):
        raise PydanticCustomError("not_an_instant", "must be a string that holds an instant")
    if value.tzinfo is None:
        raise PydanticCustomError("no_zone", "must name its zone")
    return _within(value.astimezone(UTC))


_Text = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Instant = Annotated[datetime, BeforeValidator(_validate, json_schema_input_type=_Text)]
"""A pydantic field: text or an aware datetime in, UTC inside, `…Z` in JSON."""


def _years(years: str, days_by_month: str) -> str:
    return f"(?:{years})-(?:{days_by_month})"


_TO_28: Final = r"(?:0[1-9]|1\d|2[0-8])"
_TO_30: Final = r"(?:0[1-9]|[12]\d|30)"
_TO_31: Final = r"(?:0[1-9]|[12]\d|3[01])"
_FROM_2: Final = r"(?:0[2-9]|[12]\d|3[01])"
_SHORT_MONTHS: Final = rf"02-{_TO_28}|(?:0[469]|11)-{_TO_30}"
_INNER_DAYS: Final = "|".join(
    (
        _years("1900", rf"{_SHORT_MONTHS}|01-{_FROM_2}|(?:0[3578]|1[02])-{_TO_31}"),
        _years("9998", rf"{_SHORT_MONTHS}|12-{_TO_30}|(?:0[13578]|10)-{_TO_31}"),
        _years(
            r"190[1-9]|19[1-9]\d|[2-8]\d{3}|9[0-8]\d\d|99[0-8]\d|999[0-7]",
            rf"{_SHORT_MONTHS}|(?:0[13578]|1[02])-{_TO_31}",
        ),
        _years(
            r"(?:19|[2-9]\d)(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[3579][26])00",
            "02-29",
        ),
    )
)
_TIME: Final = r"[Tt ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?"


def _in_zone(plus: str, minus: str) -> str:
    return rf"{_TIME}(?: ?(?:[Zz]|UTC|\+{plus}|-{minus})| {plus})"


PATTERN: Final = (
    rf"^(?:\+(?:00)?)?(?:(?:{_INNER_DAYS}){_in_zone(_OFFSET, _OFFSET)}"
    rf"|1900-01-01{_in_zone(_NO_OFFSET, _OFFSET)}"
    rf"|9998-12-31{_in_zone(_OFFSET, _NO_OFFSET)}){_ZONE_NAMES}$"
).replace(r"\d", "[0-9]")
"""What `parse` reads, as a regular expression that JSON Schema knows as well."""
