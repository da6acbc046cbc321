"""What requests carry: ids in paths, pages of lists, and no query parameter that nobody declared."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Generic, Literal, TypeVar
from urllib.parse import unquote

from fastapi import Depends, Header, Path, Query, Request
from fastapi.dependencies.models import Dependant
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from shared import instants
from shared.errors import FieldError, Problem
from shared.events.fields import Subject
from shared.ids import CustomerId

T = TypeVar("T")
Row = TypeVar("Row")
CursorPart = str | int | datetime

MAX_LIMIT: Final = 1000
_MAX_CURSOR: Final = 2000
_MAX_ID: Final = 128
_subject: Final = TypeAdapter[str](Subject)


def _printable(value: str) -> str:
    """The same characters as ingest takes in ids: the joiner of a compound emoji too."""
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
"""The same, for a customer."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list is wanted: at most `limit` items behind the cursor."""

    limit: int
    cursor: str | None

    def after(self, *kinds: type) -> tuple[Any, ...] | None:
        """The key of the last item of the page before, or None at the start.

        `kinds` are the types of its parts (str, int, datetime). Raises Problem(422, "invalid_cursor").
        """
        return None if self.cursor is None else _decode(self.cursor, kinds)


async def _slice(
    limit: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="Most items of one page.", examples=[100])
    ] = 100,
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before; without it, the first.")
    ] = None,
) -> Slice:
    return Slice(limit, cursor)


Paging = Annotated[Slice, Depends(_slice)]
"""Declares `limit` and `cursor` on a route."""


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Sent again with the same key, a request counts once.",
        examples=["6f1c5e0a-5d0e-4b7a-9a51-1e4f6f0b7c2d"],
    ),
]
"""Declares the key that a client gives to a request that creates something."""


class Requested(BaseModel):
    """Somebody will see to it."""

    status: Literal["requested"] = Field(
        default="requested", description="It happens in the background."
    )


class Page(BaseModel, Generic[T]):
    """A part of a list; `next_cursor` is null on the last one."""

    items: list[T] = Field(description="At most `limit`.")
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null on the last one.",
        examples=["WzQyXQ"],
    )

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        part: Slice,
        *,
        key: Callable[[Row], tuple[CursorPart, ...]],
        view: Callable[[Row], T],
    ) -> "Page[T]":
        """A page of rows fetched with `limit + 1`, where one too many says that there is another page."""
        shown = rows[: part.limit]
        more = len(rows) > part.limit
        return cls(
            items=[view(row) for row in shown],
            next_cursor=encode_cursor(*key(shown[-1])) if more else None,
        )


def encode_cursor(*parts: CursorPart) -> str:
    """The key of the last item of a page, opaque to clients."""
    plain = [instants.render(part) if isinstance(part, datetime) else part for part in parts]
    # A lone surrogate, which no database holds, is left to whoever reads the cursor.
    key = json.dumps(plain, separators=(",", ":"), ensure_ascii=False).encode(
        errors="surrogatepass"
    )
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def _decode(cursor: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    try:
        if len(cursor) > _MAX_CURSOR:
            raise ValueError("too long")
        parts = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        if not isinstance(parts, list):
            raise ValueError("not a list")
        return tuple(_part(value, kind) for value, kind in zip(parts, kinds, strict=True))
    except (ValueError, binascii.Error, RecursionError):
        wrong = FieldError("cursor", "is not a next_cursor of this list")
        raise Problem(
            422, "invalid_cursor", "The cursor cannot be read.", errors=(wrong,)
        ) from None


def _part(value: object, kind: type) -> CursorPart:
    if kind is datetime and isinstance(value, str):
        return instants.parse(value)
    if isinstance(value, str) and b"\0" in value.encode():
        raise ValueError("no text that PostgreSQL can hold")
    if (
        type(value) is not kind
        or not isinstance(value, str | int)
        or (isinstance(value, int) and abs(value) >= 2**63)
    ):
        raise ValueError("another kind of key")
    return value


def _flat(dependant: Dependant) -> set[str]:
    names: set[str] = set()
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            names.update(info.alias or name for name, info in annotation.model_fields.items())
        else:
            names.add(field.alias)
    return names.union(*map(_flat, dependant.dependencies))


@lru_cache(maxsize=1000)
def _declared(route: "_ByIdentity") -> frozenset[str]:
    return frozenset(_flat(route.dependant))


class _ByIdentity:
    """A route as a key of a cache; routes compare by value and have no hash."""

    __slots__ = ("dependant", "route")

    def __init__(self, route: Any) -> None:
        self.route = route
        self.dependant: Dependant = route.dependant

    def __hash__(self) -> int:
        return id(self.route)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.route is self.route


async def only_declared_query(request: Request) -> None:
    """Refuse query parameters that the route does not know: a misspelt filter must not return everything."""
    given = request.query_params
    if not given:
        return
    unknown = sorted(set(given) - _declared(_ByIdentity(request.scope["route"])))
    if unknown:
        wrong = tuple(FieldError(name, "is not a query parameter of this path") for name in unknown)
        raise Problem(
            422, "invalid", f"Unknown query parameter: {', '.join(unknown)}.", errors=wrong
        )
