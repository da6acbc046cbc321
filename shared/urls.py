"""Values as segments of a URL's path."""

from typing import Final
from urllib.parse import quote

_DOTS: Final = frozenset({".", ".."})
"""Clients that normalise addresses take these for steps, not for names."""


def segment(value: object) -> str:
    """Return one segment of a path: slashes are encoded, and so are the dots of `.` and `..`."""
    text = str(value)
    return text.replace(".", "%2E") if text in _DOTS else quote(text, safe="")
