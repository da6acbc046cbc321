"""The cursor: a position packed into a short text that readers pass back as it is."""

import base64
import binascii
from typing import Final
from zlib import crc32

from services.lifecycle.changes.positions import Position

_FORM: Final = 1
"""Of this way of packing."""
_CHECK: Final = 4
"""Bytes of the checksum."""
_TOP: Final = 2**63
_BYTES: Final = 10
"""Of the largest number; each byte holds 7 bits."""


def encode(position: Position) -> str:
    """Pack the form, the numbers and a checksum, in base64url."""
    packed = bytearray([_FORM])
    for number in position:
        while number >= 0x80:
            packed.append(number & 0x7F | 0x80)
            number >>= 7
        packed.append(number)
    packed += crc32(packed).to_bytes(_CHECK)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(cursor: str, partitions: int) -> Position:
    """The position that was encoded.

    Raises ValueError for any other text, and for another number of partitions.
    """
    if len(cursor) > 2 * (1 + partitions * _BYTES + _CHECK):
        raise ValueError("too long")
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    numbers = _numbers(packed[1:-_CHECK])
    position = tuple(numbers)
    if encode(position) != cursor:
        raise ValueError("not made here")
    if len(position) != partitions or max(position) >= _TOP:
        raise ValueError("numbers that no partition has")
    return position


def _numbers(packed: bytes) -> list[int]:
    numbers: list[int] = []
    number = 0
    shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = 0
            shift = 0
    return numbers
