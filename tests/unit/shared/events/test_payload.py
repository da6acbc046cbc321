"""Data from Kafka: whole numbers however they are written, and the bounds of ingest."""

from datetime import UTC, datetime
from typing import Final

import msgspec
import pytest

from shared.events.envelope import FIRST_INSTANT, LAST_INSTANT
from shared.events.payload import (
    LARGEST_PRICE,
    Amount,
    Currency,
    Name,
    SignedAmount,
    is_test,
    payload_decoder,
    within_range,
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
    assert within_range(FIRST_INSTANT) == FIRST_INSTANT
    assert within_range(LAST_INSTANT) == LAST_INSTANT
    for beyond in (datetime(1899, 12, 31, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)):
        with pytest.raises(msgspec.ValidationError):
            within_range(beyond)


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
