"""Answers that are sent while they are produced: limited in number, ended if the client stalls."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from starlette.responses import Response
from starlette.types import Message, Send

from shared.errors import Problem
from shared.http.problems import ProblemKind

log = structlog.get_logger()

STALLED_S: Final = 60.0
"""A client that reads nothing for so long is taken to be gone."""


class StreamSlots:
    """Limits the answers sent at the same time by one process.

    One too many is refused with `full`, to be sent again after `retry_after_s` seconds.
    """

    def __init__(self, most: int, full: ProblemKind, *, retry_after_s: int) -> None:
        self._free = most
        self._full = full
        self._retry_after_s = retry_after_s

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a slot. Raises Problem if none is free."""
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


async def send_start(send: Send, response: Response) -> None:
    """Send the status and the headers."""
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )


async def send_end(send: Send) -> None:
    """Say that the answer is complete."""
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_part(send: Send, part: bytes) -> None:
    """Send a part; return once the client can take the next. Raises TimeoutError if it stalls."""
    message: Message = {"type": "http.response.body", "body": part, "more_body": True}
    try:
        async with asyncio.timeout(STALLED_S):
            await send(message)
    except TimeoutError:
        log.warning("http.stalled", seconds=STALLED_S)
        raise
