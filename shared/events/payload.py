"""Reads the data of events from Kafka, with the bounds that ingest has."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec

from shared.events.envelope import FIRST_INSTANT, LAST_INSTANT, check_printable

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
CustomerName = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Currency = Annotated[str, msgspec.Meta(min_length=3, max_length=3)]
LARGEST_PRICE: Final = 2**53
Amount = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_PRICE)]
SignedAmount = Annotated[int, msgspec.Meta(ge=-LARGEST_PRICE, le=LARGEST_PRICE)]
T = TypeVar("T")


class MergerData(msgspec.Struct, frozen=True, gc=False):
    """The data of `customer.merged`."""

    into: CustomerName

    def __post_init__(self) -> None:
        check_printable(self.into)


class _TestMark(msgspec.Struct, frozen=True, gc=False):
    test: bool | None = None


_TEST_KEY: Final = b'"test"'
_decode_test_mark: Final = msgspec.json.Decoder(_TestMark).decode


def is_test(data: msgspec.Raw) -> bool:
    """Is an event with this data only a test, which changes nothing?

    Raises msgspec.ValidationError if it says neither yes nor no.
    """
    return _TEST_KEY in bytes(data) and bool(_decode_test_mark(data).test)


def payload_decoder(model: type[T]) -> Callable[[bytes | str | msgspec.Raw], T]:
    """Make a function that decodes the data of an event.

    Whole numbers may be written with a point, as in 1000.0: JSON makes no difference. The function
    raises msgspec.ValidationError.
    """
    decode = msgspec.json.Decoder(model).decode

    def decode_payload(data: bytes | str | msgspec.Raw) -> T:
        try:
            return decode(data)
        except msgspec.ValidationError:
            whole = _with_whole_numbers(msgspec.json.decode(data))
            return msgspec.convert(whole, model)

    return decode_payload


def within_range(instant: datetime) -> datetime:
    """Return the instant if an event may lie there. Raises msgspec.ValidationError."""
    if not FIRST_INSTANT <= instant <= LAST_INSTANT:
        raise msgspec.ValidationError("an instant lies outside the years 1900 to 9998")
    return instant


def _with_whole_numbers(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_whole_numbers(item) for name, item in value.items()}
    return value
