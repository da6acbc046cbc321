"""URLs: values as segments of a path, and addresses without what is secret."""

from typing import Final
from urllib.parse import quote, urlsplit

_DOTS: Final = frozenset({".", ".."})
"""Clients that normalise addresses take these for steps, not for names."""


def segment(value: object) -> str:
    """Return one segment of a path: slashes are encoded, and so are the dots of `.` and `..`."""
    text = str(value)
    return text.replace(".", "%2E") if text in _DOTS else quote(text, safe="")


def without_account(url: str) -> str:
    """Return the address without user, password and parameters: a password may be in each."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
