"""Identifiers: which partition a customer is on, and ids that a retry makes again the same."""

import uuid
from functools import lru_cache
from hashlib import sha1
from typing import Final, NewType

from aiokafka.partitioner import murmur2
from xxhash import xxh3_64_intdigest

CustomerId = NewType("CustomerId", str)

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "stammkunde")
_SEED: Final = sha1(_NAMESPACE.bytes, usedforsecurity=False)
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


@lru_cache(maxsize=200_000)
def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key, as Kafka's default (murmur2) partitioner does."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)


def stable_id(*parts: str | int) -> uuid.UUID:
    """Return an id that is a pure function of its parts: the same work gives the same id."""
    return uuid.uuid5(_NAMESPACE, "\x1f".join(map(str, parts)))


def stable_text(*parts: str) -> str:
    """Return `str(stable_id(...))`, made without a UUID object: every message needs one."""
    digest = _SEED.copy()
    digest.update("\x1f".join(parts).encode())
    text = digest.hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def parse_uuid(text: str) -> uuid.UUID | None:
    """Return the UUID in a text, or None if it is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def hash64(text: str) -> int:
    """Return a signed 64-bit hash (XXH3), for keys that an index holds by the million."""
    return xxh3_64_intdigest(text.encode()) - 2**63


def event_hash(source: str, id: str) -> int:
    """Hash what identifies an event among those of its customer."""
    return hash64(f"{source}\x1f{id}")
