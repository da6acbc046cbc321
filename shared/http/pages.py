"""Pages of lists: `limit` and `cursor` of a request, `items` and `next_cursor` of its answer."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from shared import instants
from shared.errors import FieldError, Problem

T = TypeVar("T")
Row = TypeVar("Row")
CursorPart = str | int | datetime

MAX_LIMIT: Final = 1000
_MAX_CURSOR: Final = 2000
_BIGINT: Final = 2**63


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a list that is requested: at most `limit` items after the cursor."""

    limit: int
    cursor: str | None

    def after(self, *kinds: type) -> tuple[Any, ...] | None:
        """The key of the last item of the previous page, or None at the start.

        `kinds` are the types of its parts: str, int or datetime.
        Raises Problem(422, "invalid_cursor").
        """
        return None if self.cursor is None else _decode_cursor(self.cursor, kinds)


async def _slice(
    limit: Annotated[
        int,
        Query(
            ge=1, le=MAX_LIMIT, description="The largest number of items on a page.", examples=[100]
        ),
    ] = 100,
    cursor: Annotated[
        str | None,
        Query(description="`next_cursor` of the previous page. Without it, the first page."),
    ] = None,
) -> Slice:
    return Slice(limit, cursor)


Paging = Annotated[Slice, Depends(_slice)]
"""Declares `limit` and `cursor` on a route."""


class Page(BaseModel, Generic[T]):
    """A part of a list; `next_cursor` is null on the last page."""

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
        """The page of rows that were fetched with `limit + 1`: one too many means another page."""
        shown = rows[: part.limit]
        has_more = len(rows) > part.limit
        return cls(
            items=[view(row) for row in shown],
            next_cursor=encode_cursor(*key(shown[-1])) if has_more else None,
        )


def encode_cursor(*parts: CursorPart) -> str:
    """The key of the last item of a page, opaque to clients."""
    plain = [instants.render(part) if isinstance(part, datetime) else part for part in parts]
    # A lone surrogate, which no database holds, is left to whoever reads the cursor.
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    key = text.encode(errors="surrogatepass")
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def _decode_cursor(cursor: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    try:
        return _decode_key(cursor, kinds)
    except (ValueError, binascii.Error, RecursionError):
        error = FieldError("cursor", "is not a next_cursor of this list")
        raise Problem(
            422, "invalid_cursor", "The cursor cannot be read.", errors=(error,)
        ) from None


def _decode_key(cursor: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    if len(cursor) > _MAX_CURSOR:
        raise ValueError("too long")
    padding = "=" * (-len(cursor) % 4)
    parts = json.loads(base64.b64decode(cursor + padding, altchars=b"-_", validate=True))
    if not isinstance(parts, list):
        raise ValueError("not a list")
    return tuple(_decode_part(value, kind) for value, kind in zip(parts, kinds, strict=True))


def _decode_part(value: object, kind: type) -> CursorPart:
    if kind is datetime and isinstance(value, str):
        return instants.parse(value)
    if type(value) is not kind:
        raise ValueError("another kind of key")
    if isinstance(value, str):
        if b"\0" in value.encode():
            raise ValueError("no text that PostgreSQL can hold")
        return value
    if isinstance(value, int) and abs(value) < _BIGINT:
        return value
    raise ValueError("another kind of key")
