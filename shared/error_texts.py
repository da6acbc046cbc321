"""What may be said of an error in logs and in the database: nothing that a customer has sent."""

import traceback
from collections.abc import Iterator
from typing import Final

import msgspec

from shared.errors import StammkundeError

_PROJECT: Final = __file__.removesuffix("shared/error_texts.py")
_KAFKA: Final = "aiokafka.errors"
_QUOTING: Final = ("Invalid enum value ", "Invalid value ", "Object contains unknown field ")
"""How texts of msgspec begin that go on with what was sent."""


def describe(error: BaseException) -> str:
    """Describe an error by its type and place, and by its text where that quotes no input.

    The texts of other people's errors may name a customer: PostgreSQL quotes the row in its
    way, asyncpg the argument, and our own code may have put the id into a plain ValueError.
    """
    name = type(error).__name__
    if isinstance(error, StammkundeError):
        return str(error)
    if isinstance(error, msgspec.MsgspecError):
        return f"{name}: {_unquoted(str(error))}"
    if hasattr(error, "sqlstate"):  # PostgreSQL's; this module is pure, and imports no driver
        return " ".join([name, *_place_in_database(error)])
    if _speaks_of_machines(error) and str(error):
        return f"{name}: {error}"
    return f"{name}{_place_in_code(error)}"


def describe_in_full(error: BaseException) -> str:
    """Describe an error with its traceback, and with what it came from or holds."""
    return "\n".join(_paragraphs(error))


def _unquoted(text: str) -> str:
    for beginning in _QUOTING:
        if text.startswith(beginning):
            _, at, path = text.rpartition(" - at `")
            return f"{beginning.rstrip()}{at}{path if at else ''}"
    return text


def _speaks_of_machines(error: BaseException) -> bool:
    """Is it about files, servers or bytes, whose texts name no customer?"""
    return isinstance(error, OSError | UnicodeError) or type(error).__module__ == _KAFKA


def _place_in_database(error: BaseException) -> Iterator[str]:
    for label, attribute in (
        ("code", "sqlstate"),
        ("table", "table_name"),
        ("column", "column_name"),
        ("constraint", "constraint_name"),
    ):
        value = getattr(error, attribute, None)
        if value:
            yield f"{label}={value}"


def _place_in_code(error: BaseException) -> str:
    """Name the innermost line of the project that the error came through, if it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    ours = [frame for frame in frames if _is_ours(frame)]
    frame = (ours or frames)[-1]
    place = frame.filename.removeprefix(_PROJECT) if ours else frame.filename.rpartition("/")[2]
    return f" at {place}:{frame.lineno} in {frame.name}"


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_PROJECT) and "site-packages" not in frame.filename


def _paragraphs(error: BaseException) -> Iterator[str]:
    origin = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if origin is not None:
        yield from _paragraphs(origin)
        yield "which led to:"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    yield describe(error)
    if isinstance(error, BaseExceptionGroup):
        for number, part in enumerate(error.exceptions, 1):
            yield f"part {number} of {len(error.exceptions)}:"
            yield from _paragraphs(part)
