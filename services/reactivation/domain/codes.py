"""Offer codes: unguessable, reproducible, and hard to misread or mistype."""

import hashlib
import hmac
from typing import Final
from uuid import UUID

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without I, L, O and U."""
LENGTH: Final = 17
"""16 characters of 5 bits, and a check character."""

_BASE: Final = len(ALPHABET)
_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}
_AS_MEANT: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


def code_of(case: UUID, secret: bytes) -> str:
    """The code of a case's offer: 80 bits of HMAC-SHA-256, which only the secret can make."""
    bits = int.from_bytes(hmac.digest(secret, case.bytes, hashlib.sha256)[:10])
    body = "".join(ALPHABET[bits >> shift & 31] for shift in range(75, -1, -5))
    return body + check_character(body)


def canonical(text: str) -> str:
    """A code as it was made, from how people write it.

    Case, blanks and hyphens do not matter; O is read as 0, I and L as 1.
    """
    return text.upper().translate(_AS_MEANT)


def is_well_formed(code: str) -> bool:
    """Whether this canonical code could be one of ours; finds every single mistyped character."""
    if len(code) != LENGTH or any(character not in _VALUE for character in code):
        return False
    return check_character(code[:-1]) == code[-1]


def check_character(body: str) -> str:
    """The Luhn mod N algorithm (ISO/IEC 7812-1, generalised to N characters)."""
    total = 0
    for place, character in enumerate(reversed(body)):
        value = _VALUE[character] * (2 - place % 2)
        total += value // _BASE + value % _BASE
    return ALPHABET[-total % _BASE]
