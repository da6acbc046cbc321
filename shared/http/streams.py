"""Answers that are made while they are sent: so many at a time, and none for a client that takes nothing any more."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from starlette.types import Message, Send

from shared.errors import Problem
from shared.http.problems import ProblemKind

log = structlog.get_logger()

STALLED_S: Final = 60.0
"""A client that takes nothing for so long has gone."""


class StreamSlots:
    """So many at the same time in one process; the next is told by `full` to come again after so many seconds."""

    def __init__(self, most: int, full: ProblemKind, *, retry_after_s: int) -> None:
        self._free = most
        self._full = full
        self._retry_after_s = retry_after_s

    @contextmanager
    def take(self) -> Iterator[None]:
        """While one more is open. Raises Problem if there are too many."""
        if not self._free:
            raise Problem(
                self._full.status,
                self._full.code,
                self._full.meaning,
                retry_after=self._retry_after_s,
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


async def send_part(send: Send, part: bytes) -> None:
    """Return once the client can take the next part. Raises TimeoutError if it takes nothing."""
    message: Message = {"type": "http.response.body", "body": part, "more_body": True}
    try:
        async with asyncio.timeout(STALLED_S):
            await send(message)
    except TimeoutError:
        log.warning("http.stalled", seconds=STALLED_S)
        raise
