"""Ids in paths and keys in headers, as routes declare them."""

from typing import Annotated, Final
from urllib.parse import unquote

from fastapi import Header, Path
from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from shared.events.fields import Subject
from shared.ids import CustomerId

_MAX_ID: Final = 128
_subject: Final = TypeAdapter[str](Subject)


def _printable(value: str) -> str:
    """Check that an id has the characters that ingest takes, the joiner of emoji included."""
    try:
        return _subject.validate_python(value)
    except ValidationError:
        raise PydanticCustomError(
            "not_an_id", f"must be 1 to {_MAX_ID} printable characters"
        ) from None


_CUSTOMER: Final = Path(description="The customer's id, percent-encoded.", examples=["customer-1"])

IdPath = Annotated[str, Path(), BeforeValidator(unquote), AfterValidator(_printable)]
"""An id in a path, percent-encoded by the sender; it may hold slashes."""
CustomerPath = Annotated[
    CustomerId, _CUSTOMER, BeforeValidator(unquote), AfterValidator(_printable)
]
"""A customer's id in a path."""
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="A request sent again with the same key counts once.",
        examples=["6f1c5e0a-5d0e-4b7a-9a51-1e4f6f0b7c2d"],
    ),
]
"""Declares the key that a client gives to a request that creates something."""
