"""The body of a request: one event, or an array of them, split without being understood."""

import json
from typing import Final

import msgspec

from services.ingest.domain.acceptance import MAX_EVENTS
from shared.errors import Problem

_decode_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_OBJECT: Final = b"{"
_BLANK: Final = b" \t\r\n"


def split_body(body: bytes) -> list[bytes]:
    """The events of a body, each still JSON.

    Raises Problem 400 "unreadable", 413 "too_many" and 422 "empty".
    """
    if body.lstrip(_BLANK)[:1] == _OBJECT:
        _check_syntax(body)
        return [body]
    items = _split_array(body)
    if not items:
        raise Problem(422, "empty", "The array holds no event.")
    if len(items) > MAX_EVENTS:
        raise Problem(413, "too_many", f"A request has at most {MAX_EVENTS} events.")
    return items


def _check_syntax(body: bytes) -> None:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        _decode_leniently(body)


def _split_array(body: bytes) -> list[bytes]:
    try:
        return [bytes(item) for item in _decode_array(body)]
    except (msgspec.DecodeError, RecursionError):
        items = _decode_leniently(body)
    if not isinstance(items, list):
        raise Problem(400, "unreadable", "The body must be one event or an array of events.")
    return [json.dumps(item).encode() for item in items]


def _decode_leniently(body: bytes) -> object:
    """Decode a body with lone surrogates, which the fast decoder refuses as a whole.

    Only the events that have them are bad.
    """
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "unreadable", "The body is not JSON.") from error


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
