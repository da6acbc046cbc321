"""Values in the path of an address."""

from typing import Final
from urllib.parse import quote

_DOTS: Final = frozenset({".", ".."})
"""Whoever normalises an address takes these for steps, not for names."""


def segment(value: object) -> str:
    """One segment of a path: slashes are encoded, and so are the dots of `.` and `..`."""
    text = str(value)
    return text.replace(".", "%2E") if text in _DOTS else quote(text, safe="")
