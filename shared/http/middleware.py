"""What happens to every request around its route: ids, key, size, metrics and failures."""

import hmac
import re
import uuid
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from shared import clock, metrics
from shared.errors import Problem
from shared.http.limits.bodies import BodyBudget, IncomingBody
from shared.http.problems import problem_response

log = structlog.get_logger()

OPEN: Final = frozenset({"/livez", "/readyz", "/metrics"})
_PLAIN_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_INTERNAL: Final = Problem(
    500, "internal", "This is our fault. The request id identifies it in our logs."
)


class _Exchange:
    """Sends one answer: adds the ids to its headers and remembers its status."""

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
    """Guards the whole application; pure ASGI."""

    def __init__(self, app: ASGIApp, *, api_key: str, budget: BodyBudget) -> None:
        self._app = app
        self._key = f"Bearer {api_key}".encode()
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _plain_id(headers, "x-request-id") or uuid.uuid4().hex
        correlation_id = _plain_id(headers, "x-correlation-id") or request_id
        ids = (("X-Request-Id", request_id), ("X-Correlation-Id", correlation_id))
        exchange = _Exchange(send, ids)
        started = clock.monotonic()
        with bound_contextvars(request_id=request_id, correlation_id=correlation_id):
            try:
                await self._answer(scope, receive, exchange, headers)
            finally:
                _record(scope, exchange.status, clock.monotonic() - started)

    async def _answer(
        self, scope: Scope, receive: Receive, exchange: _Exchange, headers: Headers
    ) -> None:
        body = IncomingBody(receive, self._budget)
        try:
            self._check_key(scope["path"], headers)
            body.check_length(headers.get("content-length", "0"))
            scope["path"] = _routable(scope)
            await self._app(scope, body.receive, exchange.send)
        except Problem as problem:
            challenge = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else None
            await problem_response(problem, headers=challenge)(scope, receive, exchange.send)
        except ClientDisconnect:
            log.debug("http.left", method=scope["method"], route=_route(scope))
        except Exception:
            log.exception("http.failed", method=scope["method"], route=_route(scope))
            if exchange.status:
                raise
            await problem_response(_INTERNAL)(scope, receive, exchange.send)
        finally:
            body.release()

    def _check_key(self, path: str, headers: Headers) -> None:
        if path in OPEN:
            return
        authorization = headers.get("authorization", "").encode("latin-1")
        scheme, _, key = authorization.partition(b" ")
        if not hmac.compare_digest(scheme.title() + b" " + key.strip(), self._key):
            raise Problem(401, "unauthorized", "Send the key as `Authorization: Bearer <key>`.")


def _plain_id(headers: Headers, name: str) -> str | None:
    """The id in a header, None if it has unusual characters or is too long."""
    value = headers.get(name, "")
    return value if _PLAIN_ID.fullmatch(value) else None


def _routable(scope: Scope) -> str:
    """The decoded path, except for `/` and `%` in a segment: an id with a slash is one segment."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None or b"%" not in raw:
        return str(scope["path"])
    segments = raw.decode("ascii", "replace").split("/")
    return "/".join(_decode_segment(segment) for segment in segments)


def _decode_segment(segment: str) -> str:
    return unquote(segment).replace("%", "%25").replace("/", "%2F")


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path_format", "unmatched"))


def _record(scope: Scope, status: int, seconds: float) -> None:
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
