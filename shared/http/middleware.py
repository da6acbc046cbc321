"""What happens to every request before and after its route: ids, key, path, size, figures, last resort."""

import hmac
import re
import uuid
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from shared import clock, metrics
from shared.errors import Problem
from shared.http.problems import problem_response

log = structlog.get_logger()

OPEN: Final = frozenset({"/livez", "/readyz", "/metrics"})
_LONGEST_LENGTH: Final = 20
_PLAIN_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")


class _Exchange:
    """One request and its answer: remembers the status, puts the ids into the answer's headers."""

    def __init__(self, send: Send, ids: Iterable[tuple[str, str]]) -> None:
        self._send = send
        self._ids = ids
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self._ids:
                headers[name] = value
        await self._send(message)


class EdgeMiddleware:
    """Pure ASGI, around the whole application."""

    def __init__(self, app: ASGIApp, *, api_key: str, max_body: int) -> None:
        self._app = app
        self._key = f"Bearer {api_key}".encode()
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _given(headers, "x-request-id") or uuid.uuid4().hex
        correlation_id = _given(headers, "x-correlation-id") or request_id
        exchange = _Exchange(
            send, (("X-Request-Id", request_id), ("X-Correlation-Id", correlation_id))
        )
        started = clock.monotonic()
        with bound_contextvars(request_id=request_id, correlation_id=correlation_id):
            try:
                await self._guarded(scope, receive, exchange, headers)
            finally:
                _account(scope, exchange.status, clock.monotonic() - started)

    async def _guarded(
        self, scope: Scope, receive: Receive, exchange: _Exchange, headers: Headers
    ) -> None:
        try:
            self._check_key(scope["path"], headers)
            limited = self._limited(receive, headers)
            scope["path"] = _routable(scope)
            await self._app(scope, limited, exchange.send)
        except Problem as problem:
            challenge = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else None
            await problem_response(problem, headers=challenge)(scope, receive, exchange.send)
        except Exception:
            log.exception("http.failed", method=scope["method"], route=_route(scope))
            if exchange.status:
                raise
            broken = Problem(
                500, "internal", "This is a fault of ours; the request id finds it in our logs."
            )
            await problem_response(broken)(scope, receive, exchange.send)

    def _check_key(self, path: str, headers: Headers) -> None:
        if path in OPEN:
            return
        given = headers.get("authorization", "").encode("latin-1")
        scheme, _, key = given.partition(b" ")
        if not hmac.compare_digest(scheme.title() + b" " + key.strip(), self._key):
            raise Problem(401, "unauthorized", "Send the key as `Authorization: Bearer <key>`.")

    def _limited(self, receive: Receive, headers: Headers) -> Receive:
        """Refuses by Content-Length at once, and while reading where none or a false one is given."""
        declared = headers.get("content-length", "0")
        if len(declared) > _LONGEST_LENGTH or (
            declared.isdecimal() and int(declared) > self._max_body
        ):
            raise self._too_large()
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_body:
                # An HTTPException, because the framework turns any other error while reading a body into 400.
                raise HTTPException(413, self._too_large().detail)
            return message

        return counted

    def _too_large(self) -> Problem:
        return Problem(413, "too_large", f"A body has at most {self._max_body} bytes.")


def _given(headers: Headers, name: str) -> str | None:
    value = headers.get(name, "")
    return value if _PLAIN_ID.fullmatch(value) else None


def _routable(scope: Scope) -> str:
    """The path, decoded but for `/` and `%` inside a segment, so that an id with a slash stays one segment."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None or b"%" not in raw:
        return str(scope["path"])
    segments = raw.decode("ascii", "replace").split("/")
    return "/".join(unquote(s).replace("%", "%25").replace("/", "%2F") for s in segments)


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path_format", "unmatched"))


def _account(scope: Scope, status: int, seconds: float) -> None:
    route = _route(scope)
    metrics.HTTP_REQUESTS.labels(scope["method"], route, str(status)).inc()
    metrics.HTTP_SECONDS.labels(route).observe(seconds)
    log.debug(
        "http.answered",
        method=scope["method"],
        route=route,
        status=status,
        seconds=round(seconds, 4),
    )
