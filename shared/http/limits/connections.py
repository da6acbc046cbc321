"""What a connection may cost before its key is known: a number, bytes, headers and time.

uvicorn with httptools limits none of them (its `limit_concurrency` counts requests that have
arrived, `h11_max_incomplete_event_size` holds for h11 only).
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from shared import metrics
from shared.errors import Problem
from shared.http.limits.bodies import BODY_WITHIN_S
from shared.http.problems import problem_response

MAX_CONNECTIONS: Final = 800
"""Below the usual limit of 1,024 open files."""
MAX_HEAD: Final = 32 * 1024
"""Bytes of the address and all headers of a request, or of its trailers."""
MAX_HEADERS: Final = 100
HEAD_WITHIN_S: Final = 10.0
STALLED_S: Final = 60.0
"""A client that takes nothing of a waiting answer for so long is taken to be gone."""
_AFTER_ANSWER_S: Final = 5.0
"""The middleware answers a slow body first, if anybody reads it."""
_TOO_MANY: Final = Problem(503, "overloaded", "Too many connections are open.", retry_after=1)
_TOO_SLOW: Final = Problem(408, "too_slow", f"Headers arrive within {HEAD_WITHIN_S:g} s.")
_TOO_LARGE: Final = Problem(
    431, "headers_too_large", f"A request has at most {MAX_HEADERS} headers, {MAX_HEAD} bytes."
)


class LimitedConnection(HttpToolsProtocol):
    """A connection that is ended when it costs too much.

    A request that arrives in one piece, as most do, sets no timer.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._arriving = False
        self._is_head = True
        self._has_body = False
        self._unread = 0
        self._size = 0
        self._overdue: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(_TOO_MANY)
        else:
            self._expect_more()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._has_body = False
        super().data_received(data)
        answered = self.cycle is None or self.cycle.response_complete
        if self._arriving or answered:
            self._expect_more()
            # Bytes that no body was made of are kept by the parser.
            self._unread = 0 if self._has_body else self._unread + len(data)
            if self._unread > MAX_HEAD:
                self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arriving = True
        self._is_head = True
        self._size = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._size += len(name) + len(value)
        if self._size > MAX_HEAD or len(self.headers) >= MAX_HEADERS:
            self._refuse(_TOO_LARGE)
            raise ValueError("too large")  # ends the parser's work on what has arrived
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._size + len(self.url) > MAX_HEAD:
            self._refuse(_TOO_LARGE)
            raise ValueError("too large")
        self._stop_waiting()
        self._is_head = False
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._has_body = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self._arriving = False
        self._is_head = True
        self._unread = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _expect_more(self) -> None:
        """Give what is missing a time, unless it or the whole connection has one."""
        if self._overdue is None and self.timeout_keep_alive_task is None:
            seconds = HEAD_WITHIN_S if self._is_head else BODY_WITHIN_S + _AFTER_ANSWER_S
            self._overdue = self.loop.call_later(seconds, self._refuse, _TOO_SLOW)

    def _stop_waiting(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _refuse(self, problem: Problem) -> None:
        """Answer, unless another answer is under way, and end the connection."""
        if self.transport.is_closing():
            return
        metrics.HTTP_REQUESTS.labels("-", "refused", str(problem.status)).inc()
        if not self._is_head or not (self.cycle is None or self.cycle.response_complete):
            self.transport.abort()
            return
        answer = problem_response(problem, headers={"Connection": "close"})
        fields = [b"%b: %b\r\n" % field for field in answer.raw_headers]
        head = b"".join([STATUS_LINE[problem.status], *fields, b"\r\n"])
        self.transport.write(head + bytes(answer.body))
        self.transport.close()
