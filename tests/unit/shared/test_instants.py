"""Instants are read as the languages of shops write them, and refused in words about the field."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from shared import bounds, instants

NOON: Final = datetime(2024, 5, 1, 12, tzinfo=UTC)
MILLIS: Final = NOON + timedelta(milliseconds=123)
MICROS: Final = NOON + timedelta(microseconds=123_456)
WRITTEN: Final[dict[str, tuple[str, datetime]]] = {
    "RFC 3339": ("2024-05-01T12:00:00Z", NOON),
    "RFC 3339 in small letters": ("2024-05-01t12:00:00z", NOON),
    "RFC 3339 with a blank": ("2024-05-01 12:00:00Z", NOON),
    "RFC 3339, offset unknown": ("2024-05-01T12:00:00-00:00", NOON),
    "RFC 9557, as Temporal writes it": (
        "2024-05-01T14:00:00+02:00[Europe/Berlin][u-ca=gregory]",
        NOON,
    ),
    "RFC 9557, critical": ("2024-05-01T14:00:00+02:00[!Europe/Berlin]", NOON),
    "JavaScript toISOString": ("2024-05-01T12:00:00.123Z", MILLIS),
    "JavaScript, a year of six digits": ("+002024-05-01T12:00:00.123Z", MILLIS),
    "moment.js": ("2024-05-01T14:00:00+02:00", NOON),
    "Java Instant": ("2024-05-01T12:00:00.123456789Z", MICROS),
    "Java OffsetDateTime on the minute": ("2024-05-01T12:00Z", NOON),
    "Java OffsetDateTime with an offset": ("2024-05-01T14:00+02:00", NOON),
    "Java ZonedDateTime": ("2024-05-01T14:00+02:00[Europe/Berlin]", NOON),
    "Java ZonedDateTime in UTC": ("2024-05-01T12:00:00Z[Etc/UTC]", NOON),
    "Java, an offset with seconds": ("2024-05-01T12:53:28+00:53:28", NOON),
    "Java SimpleDateFormat X": ("2024-05-01T14:00:00+02", NOON),
    "Java SimpleDateFormat XX": ("2024-05-01T14:00:00.123+0200", MILLIS),
    "Java, comma": ("2024-05-01T12:00:00,123Z", MILLIS),
    "Jackson": ("2024-05-01T12:00:00.123+0000", MILLIS),
    "PHP DATE_ATOM": ("2024-05-01T12:00:00+00:00", NOON),
    "PHP DATE_ISO8601": ("2024-05-01T12:00:00+0000", NOON),
    "PHP DATE_ISO8601_EXPANDED": ("+2024-05-01T12:00:00+00:00", NOON),
    "PHP DATE_RFC3339_EXTENDED": ("2024-05-01T12:00:00.123+00:00", MILLIS),
    "Ruby iso8601": ("2024-05-01T14:00:00+02:00", NOON),
    "Ruby to_s": ("2024-05-01 14:00:00 +0200", NOON),
    "Ruby to_s in UTC": ("2024-05-01 12:00:00 UTC", NOON),
    ".NET O": ("2024-05-01T12:00:00.1234567Z", MICROS),
    ".NET O with an offset": ("2024-05-01T14:00:00.1234567+02:00", MICROS),
    ".NET u": ("2024-05-01 12:00:00Z", NOON),
    "Go RFC3339Nano": ("2024-05-01T14:00:00.123456789+02:00", MICROS),
    "Go, trailing zeros left out": ("2024-05-01T12:00:00.1Z", NOON + timedelta(milliseconds=100)),
    "Python isoformat": ("2024-05-01T12:00:00.123456+00:00", MICROS),
    "PostgreSQL": ("2024-05-01 14:00:00.123456+02", MICROS),
    "half an hour": ("2024-05-01T17:30:00+0530", NOON),
    "a long fraction": (f"2024-05-01T12:00:00.123456{'9' * 300}Z", MICROS),
    "a plus that a URL made a blank": ("2024-05-01T14:00:00 02:00", NOON),
    "the first day": ("1900-01-01T00:00:00Z", datetime(1900, 1, 1, tzinfo=UTC)),
    "the first day, in the west": (
        "1900-01-01T00:00:00-05:00",
        datetime(1900, 1, 1, 5, tzinfo=UTC),
    ),
    "the last day": ("9998-12-31T23:59:59.9999999Z", bounds.LAST_INSTANT),
    "a leap day": ("2000-02-29T12:00Z", datetime(2000, 2, 29, 12, tzinfo=UTC)),
}
REFUSED: Final[dict[str, str]] = {
    "": "not_an_instant",
    "today": "not_an_instant",
    "1714564800": "not_an_instant",
    "2024-05-01": "not_an_instant",
    "2024-05-01T12Z": "not_an_instant",
    "20240501T120000Z": "not_an_instant",
    "2024-W18-3T12:00:00Z": "not_an_instant",
    "01.05.2024 12:00:00Z": "not_an_instant",
    "2024-5-1T12:00:00Z": "not_an_instant",
    "2024-05-01T12:00:00.Z": "not_an_instant",
    "2024-05-01T12:00.5Z": "not_an_instant",
    "2024-05-01T12:00:00 CEST": "not_an_instant",
    "2024-05-01T12:00:00[Europe/Berlin]Z": "not_an_instant",
    "2024-05-01T12:00:00Z\n": "not_an_instant",
    "2024-05-01T12:00:00+2:00": "not_an_instant",
    "2024-05-01T12:00:00+24:00": "not_an_instant",
    "2024-05-01T12:00:00+02:0000": "not_an_instant",
    "٢٠٢٤-05-01T12:00:00Z": "not_an_instant",
    "-2024-05-01T12:00:00Z": "not_an_instant",
    "2024-02-30T12:00:00Z": "not_an_instant",
    "1900-02-29T12:00:00Z": "not_an_instant",
    "2024-13-01T12:00:00Z": "not_an_instant",
    "2024-05-01T24:00:00Z": "not_an_instant",
    "2024-05-01T12:00:60Z": "not_an_instant",
    "2024-05-01T12:00": "no_zone",
    "2024-05-01T12:00:00": "no_zone",
    "2024-05-01 12:00:00.123": "no_zone",
    "2024-05-01T12:00[Europe/Berlin]": "no_zone",
    "1899-12-31T23:59:59Z": "out_of_range",
    "1899-12-31T23:59:59-05:00": "out_of_range",
    "1900-01-01T00:00:00+01:00": "out_of_range",
    "0001-01-01T00:00:00Z": "out_of_range",
    "9999-01-01T00:00:00Z": "out_of_range",
    "9998-12-31T23:59:59-01:00": "out_of_range",
    "9999-12-31T23:59:59-12:00": "out_of_range",
}
_matches: Final = re.compile(instants.PATTERN, re.ASCII).fullmatch


def code_of(text: str) -> str | None:
    """Why a text is refused; None if it is read."""
    try:
        instants.parse(text)
    except PydanticCustomError as error:
        return error.type
    return None


@pytest.mark.parametrize("writer", WRITTEN)
def test_what_a_language_writes_is_read(writer: str) -> None:
    text, meant = WRITTEN[writer]
    read = instants.parse(text)
    assert (read, read.tzinfo) == (meant, UTC)


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_refused(text: str) -> None:
    assert code_of(text) == REFUSED[text]


@pytest.mark.parametrize(
    "text", ["today", "2024-05-01T12:00", "1899-05-01T12:00Z", "2024-02-30T12:00Z"]
)
def test_a_refusal_speaks_of_the_field_and_not_of_where_it_stood(text: str) -> None:
    with pytest.raises(PydanticCustomError) as refused:
        instants.parse(text)
    assert not re.search("URL|query|body|header|%", str(refused.value))


@given(
    moment=st.datetimes(datetime(1900, 1, 3), datetime(9998, 12, 29)),  # noqa: DTZ001
    minutes=st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_what_is_written_is_read_again(moment: datetime, minutes: int) -> None:
    instant = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert instants.parse(instants.render(instant)) == instant
    assert instants.parse(instant.isoformat()) == instant
    assert instants.parse(str(instant)) == instant


NEARLY: Final = st.builds(
    "{}{}-{:02}-{:02}{}{:02}:{:02}{}{}{}".format,
    st.sampled_from(["", "", "", "+", "+00", "-"]),
    st.sampled_from([1899, 1900, 1901, 2000, 2023, 2024, 2100, 9997, 9998, 9999, "0000", "24"]),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from(["T", "T", "t", " ", "_"]),
    st.integers(0, 24),
    st.integers(0, 60),
    st.sampled_from(["", ":00", ":59", ":60", ":00.5", ":00,123456789", ":00.", ".5"]),
    st.sampled_from(
        [*"Zz", "UTC", " UTC", "+00", "-00:00", "+02:00", "-0200", " +02", " 02:00", " 00",
         "+23:59", "-23:59:59", "+24:00", "+02:60", "+02:0030", "", "X", " Z", " -00:00:00",
         "+000000"]
    ),
    st.sampled_from(["", "", "", "[Europe/Berlin]", "[u-ca=x][!Z]", "[", "[]", "Z"]),
)  # fmt: skip


@given(NEARLY | st.from_regex(instants.PATTERN, fullmatch=True))
@example("1900-01-01T00:00:00+00:00")
@example("1900-01-01T23:00:00+00:01")
@example("9998-12-31T00:00:00-00:01")
@example("9998-12-31T00:00:00-00:00")
def test_the_published_pattern_is_what_is_read(text: str) -> None:
    assert (_matches(text) is not None) == (code_of(text) is None), text


def test_the_ends_of_time_are_those_of_all_records() -> None:
    assert code_of(instants.render(bounds.FIRST_INSTANT)) is None
    assert code_of(instants.render(bounds.LAST_INSTANT)) is None
    assert code_of(instants.render(bounds.LAST_INSTANT + timedelta(microseconds=1))) is not None
