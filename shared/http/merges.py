"""Sends requests about a customer who has been merged on to the one who stays."""

from typing import Final
from urllib.parse import quote, urlencode

from fastapi import Request

from shared.errors import Problem
from shared.http.problems import ProblemKind
from shared.urls import segment

MERGED: Final = ProblemKind(
    301, "merged", "The customer has been merged into another one: ask about that one."
)
MERGED_WRITE: Final = ProblemKind(
    308, "merged", "The customer has been merged into another one: send the same to that one."
)


def merged(request: Request, customer: str, survivor: str) -> Problem:
    """The answer to a request about a merged customer, with the same address for the survivor.

    A write is answered with 308, so that it is repeated as it is. Neither answer may be cached: an
    unmerge would not be seen.
    """
    kind = MERGED if request.method in {"GET", "HEAD"} else MERGED_WRITE
    detail = f"{customer} has been merged into {survivor}."
    return Problem(kind.status, kind.code, detail, location=_location(request, survivor))


def _location(request: Request, survivor: str) -> str:
    """The address for the survivor; a cursor stays behind, for it leads into another list."""
    path: str = request.scope["route"].path_format.format(customer=segment(survivor))
    query = [
        (name, survivor if name == "customer" else value)
        for name, value in request.query_params.multi_items()
        if name != "cursor"
    ]
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path
