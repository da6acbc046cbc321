"""What bodies may cost: the size of each, its time, and the bytes of all that have arrived."""

import asyncio
from typing import Final

from starlette.types import Message, Receive

from shared import metrics
from shared.errors import Problem
from shared.http.problems import RefusedBody

BODY_WITHIN_S: Final = 30.0
_MAX_LENGTH_DIGITS: Final = 20


class BodyBudget:
    """The bytes of bodies that a process holds at a time: those that have arrived, of requests
    that are not answered yet. What is only announced costs nothing.
    """

    def __init__(self, *, each: int, together: int) -> None:
        self.each: Final = each
        self._free = together

    def spend(self, size: int) -> None:
        """Take bytes; a negative number gives some back. Raises Problem 503 if too few are left."""
        if size > self._free:
            raise Problem(
                503, "overloaded", "Too much is under way; send the same again.", retry_after=1
            )
        self._free -= size
        metrics.BODIES_UNDER_WAY.inc(size)


class IncomingBody:
    """The body of one request, as it arrives."""

    def __init__(self, receive: Receive, budget: BodyBudget) -> None:
        self._receive = receive
        self._budget = budget
        self._deadline: float | None = None
        self._is_complete = False
        self._held = 0

    def check_length(self, announced: str) -> None:
        """Raise Problem 413 if the Content-Length is too large."""
        if len(announced) > _MAX_LENGTH_DIGITS:
            raise self._too_large()
        if announced.isdecimal() and int(announced) > self._budget.each:
            raise self._too_large()

    async def receive(self) -> Message:
        """Receive the next part. Raises RefusedBody if it is too late, or one too many."""
        if self._is_complete:  # what comes now is that the client has gone
            return await self._receive()
        try:
            return await self._next()
        except Problem as problem:
            raise RefusedBody(problem) from None

    def release(self) -> None:
        """Give back what the body has cost."""
        if self._held:
            self._budget.spend(-self._held)
            self._held = 0

    async def _next(self) -> Message:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + BODY_WITHIN_S
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            detail = f"The body did not arrive within {BODY_WITHIN_S:g} s."
            raise Problem(408, "too_slow", detail) from None
        self._is_complete = not message.get("more_body", False)
        size = len(message.get("body", b""))
        if self._held + size > self._budget.each:
            raise self._too_large()
        if size:
            self._budget.spend(size)
            self._held += size
        return message

    def _too_large(self) -> Problem:
        return Problem(413, "too_large", f"A body has at most {self._budget.each} bytes.")
