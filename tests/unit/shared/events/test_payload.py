"""Data from Kafka: whole numbers however they are written, and the bounds of ingest."""

from datetime import UTC, datetime
from typing import Final

import msgspec
import pytest

from shared.bounds import FIRST_INSTANT, LAST_INSTANT, check_instant
from shared.events.payload import (
    LARGEST_PRICE,
    Amount,
    Currency,
    CustomerName,
    Instant,
    Name,
    SignedAmount,
    Word,
    is_test,
    payload_decoder,
)


class Sample(msgspec.Struct):
    amount: Amount = 0
    change: SignedAmount = 0
    currency: Currency = "EUR"
    name: Name = "x"
    share: float = 0
    parts: list[Amount] = []


read: Final = payload_decoder(Sample)


def test_a_whole_number_is_one_with_a_point_as_well() -> None:
    assert read(b'{"amount": 1000.0, "change": -1e3, "share": 2, "parts": [1.0, 2]}') == Sample(
        1000, -1000, share=2, parts=[1, 2]
    )


@pytest.mark.parametrize(
    "data",
    [
        '{"amount": 0.5}',
        '{"amount": -1}',
        '{"amount": -1.0}',
        '{"amount": true}',
        '{"amount": "5"}',
        f'{{"amount": {LARGEST_PRICE + 1}}}',
        '{"amount": 1e300}',
        f'{{"change": {-LARGEST_PRICE - 1}}}',
        '{"currency": "EURO"}',
        '{"currency": ""}',
        '{"name": ""}',
        f'{{"name": "{"x" * 201}"}}',
        "[]",
        "{",
    ],
)
def test_what_lies_beyond_is_refused(data: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        read(data)


def test_instants_lie_between_the_ends_of_time() -> None:
    check_instant(FIRST_INSTANT)
    check_instant(LAST_INSTANT)
    for beyond in (datetime(1899, 12, 31, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)):
        with pytest.raises(msgspec.ValidationError):
            check_instant(beyond)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"test": true}', True),
        (b'{"test": false}', False),
        (b'{"test": null}', False),
        (b"{}", False),
        (b'{"code": "test"}', False),
    ],
)
def test_an_event_says_itself_that_it_is_only_a_test(data: bytes, expected: bool) -> None:
    assert is_test(msgspec.Raw(data)) is expected


def test_a_test_mark_that_says_neither_yes_nor_no_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        is_test(msgspec.Raw(b'{"test": "yes"}'))


class Part(msgspec.Struct):
    at: Instant | None = None


class Whole(msgspec.Struct):
    order_id: Name | None = None
    word: Word | None = None
    into: CustomerName | None = None
    at: Instant | None = None
    days: dict[str, Instant] = {}
    parts: tuple[Part, ...] = ()
    names: list[Name] | None = None


decode_whole: Final = payload_decoder(Whole)
LATE: Final = "9999-12-31T23:59:59-05:00"


@pytest.mark.parametrize(
    "data",
    [
        {"order_id": "a\nb"},
        {"order_id": "a\u2028"},
        {"into": "a\x7f"},
        {"into": " ada"},
        {"at": LATE},
        {"at": "0001-01-01T00:00:00+05:00"},
        {"at": "2024-05-01T12:00:00"},
        {"days": {"a": LATE}},
        {"parts": [{}, {"at": LATE}]},
        {"names": ["a", "a\x1b"]},
    ],
    ids=str,
)
def test_ids_and_instants_are_held_to_their_bounds_wherever_they_stand(
    data: dict[str, object],
) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_whole(msgspec.json.encode(data))


def test_a_word_may_hold_anything_and_an_instant_the_last_one() -> None:
    read_whole = decode_whole(b'{"word": "a\\nb", "at": "9998-12-31T23:59:59.999999Z"}')
    assert (read_whole.word, read_whole.at) == ("a\nb", LAST_INSTANT)
    assert decode_whole(b"{}") == Whole()
