"""The envelope: a record that SQL could not read again is refused before it is stored."""

from typing import Final

import msgspec
import pytest

from shared.bounds import DEEPEST
from shared.errors import Poison
from shared.events.envelope import decode, decode_at
from tests.support.builders import day, encode, event

COMPLAINT = encode(event("ada", "complaint.opened", 0, complaint_id="k", topic="Größe 😀"))


def test_text_in_any_script_comes_through() -> None:
    assert "Größe 😀".encode() in bytes(decode(COMPLAINT).data)


@pytest.mark.parametrize(
    "wrong", [b"\xff", "ß".encode("latin-1"), b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
)
def test_bytes_that_are_no_utf_8_are_refused_even_where_nobody_reads(wrong: bytes) -> None:
    with pytest.raises(Poison) as poison:
        decode(COMPLAINT.replace("ß".encode(), wrong))
    assert poison.value.reason == "undecodable"


def record(**changes: object) -> bytes:
    return msgspec.json.encode(event("ada", "page.viewed", 0) | changes)


BEYOND: Final[dict[str, object]] = {
    "1899-12-31T23:59:59Z": {"time": "1899-12-31T23:59:59Z"},
    "1900 by its zone, but not in UTC": {"time": "1900-01-01T00:00:00+01:00"},
    "the year 9999": {"time": "9999-01-01T00:00:00Z"},
    "9998 by its zone, but not in UTC": {"time": "9998-12-31T23:59:59-01:00"},
    "the year 1": {"time": "0001-01-01T00:00:00+23:00"},
    "no zone": {"time": "2024-05-01T12:00:00"},
    "an empty id": {"id": ""},
    "a long id": {"id": "x" * 201},
    "an empty source": {"source": ""},
    "a long source": {"source": "x" * 201},
    "a long type": {"type": "x" * 201},
    "a long subject": {"subject": "x" * 129},
    "a subject of two lines": {"subject": "a\nb"},
    "a subject that turns the text around": {"subject": "a\u202eb"},
    "a source with a line separator": {"source": "a\u2028"},
    "an id with an escape": {"id": "a\x1b[31m"},
    "a subject with a blank before it": {"subject": " ada"},
    "a blank subject": {"subject": "\u00a0"},
    "a type of two lines": {"type": "page.\nviewed"},
    "a long traceparent": {"traceparent": "x" * 257},
    "an empty traceparent": {"traceparent": ""},
    "a traceparent of two lines": {"traceparent": "a\nb"},
    "a traceparent that no header takes": {"traceparent": "ä"},
    "a long origin": {"mergedfrom": "x" * 129},
    "an empty origin": {"mergedfrom": ""},
    "an origin with a blank behind it": {"mergedfrom": "ada "},
}


@pytest.mark.parametrize("case", BEYOND)
def test_what_ingest_would_refuse_is_refused_from_kafka_as_well(case: str) -> None:
    changes = BEYOND[case]
    assert isinstance(changes, dict)
    with pytest.raises(Poison) as poison:
        decode(record(**changes))
    assert poison.value.reason == "undecodable"
    assert all(str(value) not in poison.value.detail for value in changes.values() if value)


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "1900-01-01T00:00:00Z"},
        {"time": "9998-12-31T23:59:59.999999Z"},
        {"subject": "👨‍👩‍👧 顧客\u00a0/?"},
        {"id": "x" * 200, "source": "y" * 200, "subject": "z" * 128},
    ],
    ids=["first", "last", "odd", "long"],
)
def test_what_lies_just_within_is_read(changes: dict[str, object]) -> None:
    assert decode(record(**changes))


UNREADABLE_TIMES: Final[dict[str, object]] = {
    "another calendar": "5784-02-22",
    "no text": 7,
    "null": None,
    "a structure": {"$date": [1]},
    "too early": "1899-12-31T23:59:59Z",
    "readable": "2024-05-01T12:00:00Z",
}


@pytest.mark.parametrize("time", UNREADABLE_TIMES.values(), ids=UNREADABLE_TIMES)
def test_a_record_whose_time_cannot_be_read_is_read_at_another(time: object) -> None:
    whole = event("ada", "page.viewed", 0, path="Größe 😀")
    assert decode_at(encode(whole | {"time": time}), day(3)) == decode(
        encode(whole | {"time": day(3).isoformat()})
    )


def test_a_record_without_a_time_is_read_at_another() -> None:
    whole = event("ada", "page.viewed", 0)
    del whole["time"]
    assert decode_at(encode(whole), day(3)).time == day(3)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"\xff",
        record(id=""),
        record(subject="a\nb"),
        record(data={"a": "\0"}),
        COMPLAINT.replace("ß".encode(), b"\xff"),
        b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=range(10),
)
def test_what_is_wrong_beyond_its_time_stays_undecodable(value: bytes) -> None:
    with pytest.raises(Poison) as poison:
        decode_at(value, day(3))
    assert poison.value.reason == "undecodable"


def with_data(data: str) -> bytes:
    return record(data=msgspec.Raw(data.encode()))


def nested(levels: int) -> str:
    """Data that a record is so many levels deep with."""
    return "[" * (levels - 1) + "]" * (levels - 1)


@pytest.mark.parametrize(
    "data",
    [
        '{"a": 1e400}',
        '{"a": [-1E+0400]}',
        '{"a": 1' + "0" * 309 + "}",
        '{"a": -' + "9" * 5_000 + "}",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": "\\u0000"}',
        '{"\\u0000": 1}',
        '{"a": "\\\\\\u0000"}',
        '{"a": "\\ud800"}',
        '{"a": "\\udc00"}',
        '{"a": "\\ud800\\u0041"}',
        '{"a": "\x01"}',
        nested(DEEPEST + 1),
        '{"a":' * DEEPEST + "1" + "}" * DEEPEST,
        nested(100_000),
    ],
)
def test_data_that_not_every_reader_could_read_is_refused_even_where_nobody_reads(
    data: str,
) -> None:
    with pytest.raises(Poison) as poison:
        decode(with_data(data))
    assert poison.value.reason == "undecodable"


@pytest.mark.parametrize(
    "data",
    [
        '{"a": 1e308, "b": "1e400", "c": 1.5e-400}',
        '{"a": ' + "9" * 308 + "}",
        '{"a": "' + "9" * 400 + '"}',
        '{"a": "\\\\u0000"}',
        nested(DEEPEST),
        '{"a": [' + ",".join(["{}"] * 1_000) + "]}",
        '{"a": "' + "[" * 1_000 + '"}',
    ],
)
def test_numbers_and_levels_just_within_are_read(data: str) -> None:
    assert bytes(decode(with_data(data)).data) == data.encode()
