"""The envelope of every record on every topic: CloudEvents 1.0 in JSON, with msgspec."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from shared.error_texts import describe
from shared.errors import Poison

CLOCK_TICKED: Final = "clock.ticked"
IMPORT_STARTED: Final = "import.started"
IMPORT_FINISHED: Final = "import.finished"
CONTROL: Final = frozenset({CLOCK_TICKED, IMPORT_STARTED, IMPORT_FINISHED, "improvement.delivered"})
"""Control records go to every partition, have no subject and never reach a fold."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
FIRST_INSTANT: Final = datetime(1900, 1, 1, tzinfo=UTC)
LAST_INSTANT: Final = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
"""Events lie between the two: nearer to the ends of the calendar, days could not be added."""
ESCAPED_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000 as JSON writes it; PostgreSQL stores it neither in text nor in jsonb."""


_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One event; `data` stays undecoded until it is needed. Identity is (subject, source, id).

    Two attributes are set on events that a merge brought over. `mergedfrom` is the original
    subject, and part of the identity. `mergedvia` is the way from there: a JSON array in a text,
    with [old id, time, source, id] of each merge on it, the last hop last.
    """

    specversion: str = msgspec.field(default_factory=lambda: "1.0")
    id: _Name
    source: _Name
    type: _Name
    subject: Annotated[str, msgspec.Meta(max_length=128)] = ""
    time: Instant
    data: msgspec.Raw = msgspec.Raw(b"{}")
    historical: bool = False
    traceparent: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    mergedfrom: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    mergedvia: str | None = None


_decoder: Final = msgspec.json.Decoder(Envelope)
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder: Final = msgspec.json.Encoder()
_UNREADABLE: Final = (
    msgspec.MsgspecError,
    UnicodeDecodeError,
    TypeError,
    RecursionError,
    OverflowError,
)


def decode(value: bytes) -> Envelope:
    """Decode one record. Raises Poison("undecodable") with what is wrong and where."""
    try:
        event = _decoder.decode(value)
        if not value.isascii():
            value.decode()  # msgspec accepts any bytes in what it skips; PostgreSQL does not
        if event.time.tzinfo is not UTC:
            event = msgspec.structs.replace(event, time=event.time.astimezone(UTC))
        _check_bounds(event)
    except _UNREADABLE as error:
        raise Poison("undecodable", describe(error)) from error
    if value.find(b"\\u0000") >= 0 and ESCAPED_NUL.search(value):
        raise Poison("undecodable", "U+0000: PostgreSQL cannot store it")
    return event


def decode_at(value: bytes, time: datetime) -> Envelope:
    """Decode one record as if this were its time, whatever it says itself. Raises Poison."""
    try:
        fields = _fields.decode(value)
    except _UNREADABLE as error:
        raise Poison("undecodable", describe(error)) from error
    return decode(_encoder.encode({**fields, "time": time}))


def _check_bounds(event: Envelope) -> None:
    """Hold what did not come by way of ingest to the same bounds. Raises ValidationError."""
    if not FIRST_INSTANT <= event.time <= LAST_INSTANT:
        raise msgspec.ValidationError("`time` lies outside the years 1900 to 9998")
    check_printable(event.subject + event.source + event.id)
    if event.mergedfrom is not None:
        check_printable(event.mergedfrom)


def check_printable(names: str) -> None:
    """Hold ids to what ingest takes. Raises ValidationError."""
    if not names.isprintable() and not all(map(_is_printable, names)):
        raise msgspec.ValidationError("an id holds characters that cannot be printed")


def _is_printable(character: str) -> bool:
    """The joiner of compound emoji is, and so is any blank."""
    kind = unicodedata.category(character)
    return character == _JOINER or (kind[0] != "C" and kind not in _LINE_ENDS)


_JOINER: Final = "\u200d"
_LINE_ENDS: Final = frozenset({"Zl", "Zp"})


def encode(event: Envelope) -> bytes:
    """The bytes of one record; `decode` gives the same envelope back."""
    return _encoder.encode(event)


def pack(data: object) -> msgspec.Raw:
    """Encode a struct or mapping as the `data` of an envelope."""
    return msgspec.Raw(_encoder.encode(data))
