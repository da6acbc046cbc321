"""Referral codes: short, easy to read aloud, unguessable, with a check against typing errors."""

import hashlib
import hmac
from typing import Final

ALPHABET: Final = "123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without 0, O, I, L and U; 31 is a prime, which the weighted sum of `_check` needs."""
LENGTH: Final = 8
_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}
_AS_MEANT: Final = str.maketrans("IL", "11", " -")


def code_of(customer: str, secret: bytes, attempt: int = 0) -> str:
    """The customer's code, always the same one under a secret, which alone can make it.

    `attempt` counts the codes that others had already.
    """
    # The first word keeps them apart from what reactivation makes with the same secret.
    text = f"referral-code\x1f{attempt}\x1f{customer}"
    number = int.from_bytes(hmac.digest(secret, text.encode(), hashlib.sha256))
    characters = []
    for _ in range(LENGTH):
        number, value = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[value])
    data = "".join(characters)
    return data + _check(data)


def read(text: str) -> str | None:
    """The code that somebody typed, in its one spelling; None if it cannot be a code.

    Case, spaces and hyphens do not matter; I and L are read as 1.
    """
    code = text.upper().translate(_AS_MEANT)
    if len(code) != LENGTH + 1 or not _VALUES.keys() >= set(code):
        return None
    return code if _check(code[:-1]) == code[-1] else None


def _check(data: str) -> str:
    """Weights that differ and are prime to 31 find one wrong character, or two swapped ones."""
    total = sum(weight * _VALUES[character] for weight, character in enumerate(data, start=2))
    return ALPHABET[-total % len(ALPHABET)]
