"""The catalogue of events: strict models of everything that ingest accepts."""

import functools
import operator
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    create_model,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from shared.bounds import OutOfBounds, check_json
from shared.errors import FieldError, StammkundeError
from shared.events import vocabulary
from shared.events.envelope import CONTROL
from shared.events.fields import PRINTABLE, TYPES, CustomerId, Data, Id
from shared.instants import Instant


class InvalidEvent(StammkundeError):
    """Not an event of the catalogue; the sender has to correct it.

    `code` is stable: unreadable, unknown_type, missing, no_zone, out_of_range,
    not_a_customer_id or invalid.
    """

    def __init__(self, code: str, error: FieldError) -> None:
        super().__init__(f"{code}: {error.field}: {error.message}")
        self.code = code
        self.field_error = error


def _reject_subject(_: object) -> None:
    raise PydanticCustomError("subject", "a control record has no subject")


def _reject_binary(_: object) -> None:
    raise PydanticCustomError("binary", "data must be JSON, not base64")


def _reject_reserved(_: object) -> None:
    raise PydanticCustomError(
        "reserved", "only lifecycle sets this, on events that it forwards after a merge"
    )


_Forbidden = WithJsonSchema({"not": {}})
_Json = Annotated[
    str, Field(pattern=r"^application/(?:[A-Za-z0-9_.+-]+\+)?json(?: *;[\x20-\x7e]*)?$")
]


class Event(BaseModel):
    """A CloudEvents 1.0 envelope; unknown extension attributes are kept."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, ser_json_inf_nan="constants")

    specversion: Literal["1.0"]
    id: Id
    source: Id
    type: str
    subject: Any
    time: Instant
    datacontenttype: _Json | None = None
    dataschema: str | None = None
    data: Data = Data()
    data_base64: Annotated[None, BeforeValidator(_reject_binary), _Forbidden] = None
    mergedfrom: Annotated[None, BeforeValidator(_reject_reserved), _Forbidden] = None
    mergedvia: Annotated[None, BeforeValidator(_reject_reserved), _Forbidden] = None
    historical: bool = False
    traceparent: Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,256}$")] | None = None

    def to_bytes(self) -> bytes:
        """Canonical JSON: declared fields first, absent ones left out, instants in UTC."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)


def _model(name: str, data: type[Data]) -> type[Event]:
    subject: Any = (CustomerId, ...)
    if name in CONTROL:
        subject = (Annotated[None, BeforeValidator(_reject_subject), _Forbidden], None)
    is_required = any(field.is_required() for field in data.model_fields.values())
    content: Any = (data, ...) if is_required else (data, data())
    title = "".join(word.capitalize() for word in re.split(r"[._]", name))
    kind: Any = (Literal[name], ...)
    return create_model(
        title, __base__=Event, __doc__=data.__doc__, type=kind, subject=subject, data=content
    )


MODELS: Final[Mapping[str, type[Event]]] = {
    name: _model(name, data) for name, data in TYPES.items()
}
"""The model of every type, by name."""

_union: Any = Annotated[
    functools.reduce(operator.or_, MODELS.values()), Field(discriminator="type")
]
_adapter: Final = TypeAdapter[Event](_union)
_validate: Final = _adapter.validator.validate_json


_MERGES: Final = (vocabulary.Merged, vocabulary.Unmerged)


def parse(raw: bytes) -> Event:
    """Parse a JSON object as an event. Raises InvalidEvent with the first thing that is wrong."""
    try:
        event: Event = _validate(raw)
    except ValidationError as error:
        raise _invalid_event(error.errors(include_url=False, include_input=False)[0]) from None
    if isinstance(event.data, _MERGES) and event.data.into == event.subject:
        raise InvalidEvent(
            "invalid", FieldError("data.into", "must be another customer than the subject")
        )
    return event


def canonical(raw: bytes) -> tuple[Event, bytes]:
    """The event and the bytes to publish. Raises InvalidEvent."""
    event = parse(raw)
    value = event.to_bytes()
    try:
        if b"Infinity" in value or b"NaN" in value:
            msgspec.json.decode(value, type=msgspec.Raw)
        check_json(value)
    except OutOfBounds as error:
        raise InvalidEvent("invalid", FieldError("data", error.message)) from None
    except msgspec.DecodeError:
        message = "holds a number that is not finite"
        raise InvalidEvent("invalid", FieldError("data", message)) from None
    return event, value


def named_customers(event: Event) -> dict[str, str]:
    """The ids of customers in an event, by the field that names them."""
    named = {} if event.subject is None else {"subject": event.subject}
    if isinstance(event.data, _MERGES) and event.data.into is not None:
        named["data.into"] = event.data.into
    return named


_CODES: Final[Mapping[str, str]] = {
    "missing": "missing",
    "union_tag_not_found": "missing",
    "union_tag_invalid": "unknown_type",
    "json_invalid": "unreadable",
    "no_zone": "no_zone",
    "out_of_range": "out_of_range",
    "not_a_customer_id": "not_a_customer_id",
}
_TAGS: Final = frozenset({"union_tag_not_found", "union_tag_invalid"})


def _invalid_event(error: ErrorDetails) -> InvalidEvent:
    kind = error["type"]
    code = _CODES.get(kind, "invalid")
    if kind in _TAGS:
        message = "Field required" if code == "missing" else "is not a type of the catalogue"
        return InvalidEvent(code, FieldError("type", message))
    # The first part of the location is the event's type; a bracket names a member of a union.
    field = ".".join(part for part in map(str, error["loc"][1:]) if "[" not in part)
    unprintable = error.get("ctx", {}).get("pattern") == PRINTABLE
    message = "must hold printable characters only" if unprintable else error["msg"]
    return InvalidEvent(code, FieldError(field, message))
