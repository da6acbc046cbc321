"""Reads the data of events from Kafka, with the bounds that ingest has."""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import inspect

from shared.bounds import check_customer, check_instant, check_printable

_CHECK: Final = "check"
Instant = Annotated[datetime, msgspec.Meta(tz=True, extra={_CHECK: check_instant})]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, extra={_CHECK: check_printable})]
"""An id."""
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
CustomerName = Annotated[
    str, msgspec.Meta(min_length=1, max_length=128, extra={_CHECK: check_customer})
]
Currency = Annotated[str, msgspec.Meta(min_length=3, max_length=3)]
LARGEST_PRICE: Final = 2**53
Amount = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_PRICE)]
SignedAmount = Annotated[int, msgspec.Meta(ge=-LARGEST_PRICE, le=LARGEST_PRICE)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""What a column of 32 bits can hold."""
T = TypeVar("T")


class MergeData(msgspec.Struct, frozen=True, gc=False):
    """The data of `customer.merged`."""

    into: CustomerName


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
    raises msgspec.MsgspecError, also for ids and instants out of bounds.
    """
    decode = msgspec.json.Decoder(model).decode
    check = _check_of(inspect.type_info(model))

    def decode_payload(data: bytes | str | msgspec.Raw) -> T:
        try:
            decoded = decode(data)
        except msgspec.ValidationError:
            whole = _with_whole_numbers(msgspec.json.decode(data))
            decoded = msgspec.convert(whole, model)
        if check is not None:
            check(decoded)
        return decoded

    return decode_payload


_Check: TypeAlias = Callable[[Any], None]


def _check_of(info: inspect.Type) -> _Check | None:
    """Make the check of what msgspec cannot check by itself; None if there is nothing."""
    match info:
        case inspect.Metadata(extra={"check": check}):
            return check  # type: ignore[no-any-return]
        case inspect.Metadata(type=inner):
            return _check_of(inner)
        case inspect.UnionType(types=types):
            return next(filter(None, map(_check_of, types)), None)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return _each(_check_of(item), iter)
        case inspect.DictType(value_type=item):
            return _each(_check_of(item), dict.values)
        case inspect.StructType(fields=fields):
            return _check_of_struct(fields)
    return None


def _each(check: _Check | None, items: Callable[[Any], Any]) -> _Check | None:
    if check is None:
        return None

    def check_each(value: Any) -> None:
        for item in items(value):
            check(item)

    return check_each


def _check_of_struct(fields: tuple[inspect.Field, ...]) -> _Check | None:
    checks = [
        (attrgetter(field.name), check)
        for field in fields
        if (check := _check_of(field.type)) is not None
    ]
    if not checks:
        return None

    def check_fields(value: Any) -> None:
        for get, check in checks:
            part = get(value)
            if part is not None:
                check(part)

    return check_fields


def _with_whole_numbers(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_whole_numbers(item) for name, item in value.items()}
    return value
