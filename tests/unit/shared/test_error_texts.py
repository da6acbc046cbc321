"""Descriptions of errors: they say what helps, and quote nothing that a customer has sent."""

import asyncio
from typing import Any, Final, Literal

import asyncpg
import msgspec
import pydantic
import pytest
from aiokafka.errors import NodeNotReadyError

from shared.error_texts import describe, describe_in_full
from shared.errors import Poison, Retryable

CUSTOMER: Final = "anna-4711"


class _Shape(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["nps"]
    score: int = 0


class _Form(pydantic.BaseModel):
    kind: Literal["nps"]


def _msgspec(record: str) -> Exception:
    with pytest.raises(msgspec.MsgspecError) as caught:
        msgspec.json.decode(record, type=list[_Shape])
    return caught.value


def _pydantic(**fields: Any) -> Exception:
    with pytest.raises(pydantic.ValidationError) as caught:
        _Form(**fields)
    return caught.value


def _postgres(kind: type[asyncpg.PostgresError], message: str, **fields: str) -> Exception:
    error = kind(f"{message} {CUSTOMER}")
    error.detail = f"Key (customer)=({CUSTOMER}) already exists."
    for name, value in fields.items():
        setattr(error, name, value)
    return error


CASES: Final = {
    "ours": (Retryable("another fit is under way"), "another fit is under way"),
    "a dead letter": (Poison("undecodable", "U+0000"), "undecodable: U+0000"),
    "a plain one, not raised": (ValueError(CUSTOMER), "ValueError"),
    "a lookup": (KeyError(CUSTOMER), "KeyError"),
    "msgspec's enum": (
        _msgspec(f'[{{"kind": "{CUSTOMER}"}}]'),
        "ValidationError: Invalid enum value - at `$[0].kind`",
    ),
    "msgspec's enum that reads like a place": (
        _msgspec(f'[{{"kind": "{CUSTOMER} - at `$.{CUSTOMER}` "}}]'),
        "ValidationError: Invalid enum value - at `$[0].kind`",
    ),
    "msgspec's unknown field": (
        _msgspec(f'[{{"kind": "nps", "{CUSTOMER}": 1}}]'),
        "ValidationError: Object contains unknown field - at `$[0]`",
    ),
    "msgspec's type": (
        _msgspec(f'[{{"kind": "nps", "score": "{CUSTOMER}"}}]'),
        "ValidationError: Expected `int`, got `str` - at `$[0].score`",
    ),
    "pydantic's": (_pydantic(kind=CUSTOMER), None),
    "PostgreSQL's constraint": (
        _postgres(
            asyncpg.UniqueViolationError,
            "duplicate",
            table_name="customer",
            constraint_name="customer_pkey",
        ),
        "UniqueViolationError code=23505 table=customer constraint=customer_pkey",
    ),
    "PostgreSQL's input": (
        _postgres(asyncpg.InvalidTextRepresentationError, "invalid input syntax for uuid:"),
        "InvalidTextRepresentationError code=22P02",
    ),
    "asyncpg's argument": (asyncpg.DataError(f"invalid input for $1: {CUSTOMER}"), None),
    "asyncpg's interface": (asyncpg.InterfaceError(f"not an int: {CUSTOMER}"), None),
    "the network's": (
        ConnectionRefusedError(111, "Connect call failed"),
        "ConnectionRefusedError: [Errno 111] Connect call failed",
    ),
    "a time-out": (TimeoutError(), "TimeoutError"),
    "Kafka's": (NodeNotReadyError("node 1"), "NodeNotReadyError: NodeNotReadyError: node 1"),
    "a task's": (asyncio.CancelledError(CUSTOMER), "CancelledError"),
}


@pytest.mark.parametrize("name", CASES)
def test_an_error_is_described_without_what_it_quotes(name: str) -> None:
    error, words = CASES[name]
    text = describe(error)
    assert CUSTOMER not in text
    assert text.startswith(type(error).__name__ if words is None else "")
    if words is not None:
        assert text == words


def test_an_error_that_was_raised_is_described_by_its_place_in_the_project() -> None:
    try:
        int(CUSTOMER)
    except ValueError as error:
        text = describe(error)
    assert text.startswith("ValueError at tests/unit/shared/test_error_texts.py:")
    assert text.endswith(
        " in test_an_error_that_was_raised_is_described_by_its_place_in_the_project"
    )


def test_the_traceback_shows_causes_and_parts_without_their_texts() -> None:
    def fail(customer: str) -> None:
        try:
            dict[str, int]()[customer]
        except KeyError as error:
            raise ExceptionGroup(customer, [ValueError(customer), Retryable("later")]) from error

    with pytest.raises(ExceptionGroup) as caught:
        fail(CUSTOMER)
    text = describe_in_full(caught.value)
    assert CUSTOMER not in text
    assert "KeyError at tests/" in text
    assert "which led to:" in text
    assert "part 1 of 2:" in text
    assert text.endswith("later")
    assert "dict[str, int]()[customer]" in text, "the line itself"
