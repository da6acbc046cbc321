"""The record that a checkpoint has applied last, by which a log is known again."""

from hashlib import blake2b
from typing import NamedTuple, Protocol


class KeyedRecord(Protocol):
    """What a record is known by again; `timestamp` in milliseconds since 1970."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes


class LastRecord(NamedTuple):
    """Where the record is, and a digest of what it is known by again."""

    offset: int
    digest: bytes


def last_record(record: KeyedRecord) -> LastRecord:
    """Digest a record's offset, timestamp, key and length: a log made anew has another there."""
    key = record.key
    place = f"{record.offset} {record.timestamp} {len(record.value or b'')} {key is None} "
    return LastRecord(
        record.offset, blake2b(place.encode() + (key or b""), digest_size=16).digest()
    )
