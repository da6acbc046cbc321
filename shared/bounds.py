"""The bounds of every record, whoever wrote it: what lies within can be stored and folded.

All checks raise OutOfBounds.
"""

import re
import sys
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec


class OutOfBounds(msgspec.ValidationError):
    """What is wrong with a record; the `message` quotes nothing of it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


FIRST_INSTANT: Final = datetime(1900, 1, 1, tzinfo=UTC)
LAST_INSTANT: Final = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
"""Events lie between the two: nearer to the ends of the calendar, days could not be added."""
DEEPEST: Final = 100
"""Most levels of objects and arrays in a record, itself the first."""
_NOT_FINITE: Final = OutOfBounds("holds a number that is not finite")
_LARGEST_DOUBLE: Final = int(sys.float_info.max)
_LONG_NUMBER: Final = b"0" * 300
_LARGE_EXPONENT: Final = b"0e000"
_LARGE_POWER: Final = re.compile(rb"[\[:,\s]-?0[0.]*e-?000")
"""A number with an exponent of three digits: hexadecimal ids hold such digits, too."""
_BACKSLASH: Final = ord("\\")

ESCAPED_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000 as JSON writes it; PostgreSQL stores it neither in text nor in jsonb."""
_OUTLINE: Final = bytes.maketrans(b"123456789E{", b"000000000e[")
"""Makes all digits alike, and all brackets, so that what is rare can be looked for at once."""


def later(anchor: datetime, span: timedelta) -> datetime:
    """Return `anchor + span`, but no later than an event may lie."""
    try:
        instant = anchor + span
    except OverflowError:
        return LAST_INSTANT
    return instant if instant < LAST_INSTANT else LAST_INSTANT  # noqa: FURB136  (min is slower)


def check_instant(instant: datetime) -> None:
    """Hold an instant to where events lie; its zone cannot lead out of the calendar then."""
    if not FIRST_INSTANT <= instant <= LAST_INSTANT:
        raise OutOfBounds("an instant lies outside the years 1900 to 9998")


def check_printable(names: str) -> None:
    """Hold ids to what can be printed."""
    if not names.isprintable() and not all(map(_is_printable, names)):
        raise OutOfBounds("an id holds characters that cannot be printed")


def check_customer(id: str) -> None:
    """Hold the id of a customer to what can be printed, without white space at either end."""
    check_printable(id)
    if id != id.strip():
        raise OutOfBounds("a customer id begins or ends with white space")


def check_json(value: bytes) -> None:
    """Hold JSON to what every reader can read: no U+0000, finite numbers, few levels.

    It must be syntactically right.
    """
    if _BACKSLASH in value and ESCAPED_NUL.search(value):
        raise OutOfBounds("holds the character U+0000, which cannot be stored")
    outline = value.translate(_OUTLINE, b"+")
    is_large = _LARGE_EXPONENT in outline and _LARGE_POWER.search(outline)
    is_long = len(outline) > len(_LONG_NUMBER) and _LONG_NUMBER in outline
    if is_large or is_long or outline.count(b"[") > DEEPEST:
        _check_tree(value)


def _check_tree(value: bytes) -> None:
    """Look at every part, level by level."""
    try:
        level = [msgspec.json.decode(value)]
    except msgspec.ValidationError:
        raise _NOT_FINITE from None
    depth = 0
    while level:
        if any(isinstance(part, int) and abs(part) > _LARGEST_DOUBLE for part in level):
            raise _NOT_FINITE
        nested = [part for part in level if isinstance(part, dict | list)]
        depth += bool(nested)
        if depth > DEEPEST:
            raise OutOfBounds(f"is nested deeper than {DEEPEST} levels")
        level = [
            part
            for outer in nested
            for part in (outer.values() if isinstance(outer, dict) else outer)
        ]


def _is_printable(character: str) -> bool:
    """The joiner of compound emoji is, and so is any blank."""
    kind = unicodedata.category(character)
    return character == _JOINER or (kind[0] != "C" and kind not in _LINE_ENDS)


_JOINER: Final = "\u200d"
_LINE_ENDS: Final = frozenset({"Zl", "Zp"})
