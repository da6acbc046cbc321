"""The envelope of every record on every topic: CloudEvents 1.0 in JSON, with msgspec."""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from shared.bounds import check_customer, check_instant, check_json, check_printable
from shared.error_texts import describe
from shared.errors import Poison
from shared.events.payload import CustomerName, Instant, Name

CLOCK_TICKED: Final = "clock.ticked"
IMPORT_STARTED: Final = "import.started"
IMPORT_FINISHED: Final = "import.finished"
CONTROL: Final = frozenset({CLOCK_TICKED, IMPORT_STARTED, IMPORT_FINISHED, "improvement.delivered"})
"""Control records go to every partition, have no subject and never reach a fold."""


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One event; `data` stays undecoded until it is needed. Identity is (subject, source, id).

    Two attributes are set on events that a merge brought over. `mergedfrom` is the original
    subject, and part of the identity. `mergedvia` is the way from there: a JSON array in a text,
    with [old id, time, source, id] of each merge on it, the last hop last.
    """

    specversion: str = msgspec.field(default_factory=lambda: "1.0")
    id: Name
    source: Name
    type: Name
    subject: Annotated[str, msgspec.Meta(max_length=128)] = ""
    time: Instant
    data: msgspec.Raw = msgspec.Raw(b"{}")
    historical: bool = False
    traceparent: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None
    mergedfrom: CustomerName | None = None
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
        check_json(value)
    except _UNREADABLE as error:
        raise Poison("undecodable", describe(error)) from error
    return event


def decode_at(value: bytes, time: datetime) -> Envelope:
    """Decode one record as if this were its time, whatever it says itself. Raises Poison."""
    try:
        fields = _fields.decode(value)
    except _UNREADABLE as error:
        raise Poison("undecodable", describe(error)) from error
    return decode(_encoder.encode({**fields, "time": time}))


def _check_bounds(event: Envelope) -> None:
    """Hold what did not come by way of ingest to the same bounds."""
    check_instant(event.time)
    check_printable(event.source + event.id + event.type)
    check_customer(event.subject)
    if event.mergedfrom is not None:
        check_customer(event.mergedfrom)
    trace = event.traceparent
    if trace is not None and not (trace.isascii() and trace.isprintable()):
        raise msgspec.ValidationError("`traceparent` holds other than printable ASCII")


def encode(event: Envelope) -> bytes:
    """The bytes of one record; `decode` gives the same envelope back."""
    return _encoder.encode(event)


def pack(data: object) -> msgspec.Raw:
    """Encode a struct or mapping as the `data` of an envelope."""
    return msgspec.Raw(_encoder.encode(data))
