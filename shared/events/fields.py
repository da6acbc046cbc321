"""The types of event fields, and the registry of event types."""

from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

PRINTABLE: Final = r"^(?:[^\p{C}\p{Zl}\p{Zp}]|\u{200D})*$"
"""No control, format or surrogate characters, except for the joiner of compound emoji."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]
LONGEST_CUSTOMER_ID: Final = 128
Subject = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_CUSTOMER_ID, pattern=PRINTABLE)
]
TRIMMED: Final = (
    r"^(?:[^\p{C}\p{Z}]|\u{200D})"
    r"(?:(?:[^\p{C}\p{Zl}\p{Zp}]|\u{200D})*(?:[^\p{C}\p{Z}]|\u{200D}))?$"
)
"""Printable, and without white space at either end."""


def _trimmed(value: object) -> object:
    if isinstance(value, str) and (not value or value != value.strip()):
        raise PydanticCustomError(
            "not_a_customer_id", "must be neither blank nor begin or end with white space"
        )
    return value


CustomerId = Annotated[
    str,
    StringConstraints(max_length=LONGEST_CUSTOMER_ID, pattern=PRINTABLE),
    BeforeValidator(_trimmed),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": LONGEST_CUSTOMER_ID, "pattern": TRIMMED}
    ),
]
"""The customer of an event, as a shop names them."""
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(max_length=100_000)]
Zone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$")]
Channel = Literal["email", "phone", "post", "personal", "social"]
Account = Literal["b2c", "b2b"]
Reachable = Literal["phone", "email", "post", "social"]


def _whole(value: object) -> object:
    """JSON knows one kind of number: 1000.0 is 1000."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE: Final = BeforeValidator(_whole)
"""Stands beside `int` and its bounds: a whole number, however it is written."""


class Data(BaseModel):
    """The content of an event; unknown fields are kept."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, ser_json_inf_nan="constants")


class CustomerData(Data):
    """The content of an event of a customer."""

    test: bool | None = None


D = TypeVar("D", bound=type[Data])
TYPES: Final[dict[str, type[Data]]] = {}
"""The data model of every event type, by name."""


def event(*names: str) -> Callable[[D], D]:
    """Register a data model under the names of the event types that have it."""

    def register(model: D) -> D:
        TYPES.update(dict.fromkeys(names, model))
        return model

    return register
