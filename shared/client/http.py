"""Calls over HTTP: one key each, repeated until they are answered, and errors that say what to do."""

import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from datetime import date, datetime
from typing import Any, Final, Self, TypeVar

import httpx
import msgspec
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    wait_random_exponential,
)

from shared import instants, urls
from shared.client import errors
from shared.client.errors import ApiError, Refused, Unavailable
from shared.client.streams import MEDIA_TYPE, StreamEvent, aevents, events

T = TypeVar("T")

TIMEOUT_S: Final = 60.0
PATIENCE_S: Final = 30.0
_IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_growing: Final = wait_random_exponential(multiplier=0.2, max=5)

Values = Mapping[str, object]
Statuses = Collection[int]
Told = Callable[[Unavailable], None]


def segment(value: object) -> str:
    """One segment of a path; an id may hold slashes. Raises Refused for an empty one: it would be another address."""
    if not str(value):
        raise Refused("an id has at least one character", code="invalid")
    return urls.segment(value)


class _Service:
    """Where a service is, and how long it is waited for.

    A call that nobody could answer (no connection, 408, 429, 502 to 504) is made again, after `Retry-After` or growing
    pauses, until `patience_s` after its first failure; of the operations that may not be repeated, only if the service
    cannot have begun (`Unavailable.received` is false). `on_retry` is told of each failure that another attempt
    follows. `timeout_s` is for one answer.
    """

    def __init__(
        self, url: str, key: str, timeout_s: float, patience_s: float, on_retry: Told | None
    ) -> None:
        self._settings: Final[dict[str, Any]] = {
            "base_url": url,
            "headers": {"Authorization": f"Bearer {key}"},
            "timeout": timeout_s,
        }
        self._patience_s: Final = patience_s
        self._on_retry: Final = on_retry

    def _persistent(self, *, once: bool = False) -> dict[str, Any]:
        """How one call is repeated."""
        return {
            "retry": retry_if_exception(_unreceived if once else _unanswered),
            "wait": _pause,
            "stop": _Patience(self._patience_s),
            "before_sleep": self._tell,
            "reraise": True,
        }

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if self._on_retry is not None and isinstance(error, Unavailable):
            self._on_retry(error)


def _unanswered(error: BaseException) -> bool:
    return isinstance(error, Unavailable)


def _unreceived(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and not error.received


class _Patience:
    """Ends one call before an attempt that would come `seconds` after its first failure or later.

    Waiting for an answer takes no patience: a long poll may be made again however long it took.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    def __call__(self, state: RetryCallState) -> bool:
        now = state.start_time + (state.seconds_since_start or 0.0)
        if self._until is None:
            self._until = now + self._seconds
        return now + state.upcoming_sleep >= self._until


class Client(_Service):
    """One service; use as a context manager, from any number of threads."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        on_retry: Told | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, key, timeout_s, patience_s, on_retry)
        self._client = httpx.Client(**self._settings, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _call(
        self,
        kind: type[T],  # noqa: ARG002
        method: str,
        path: str,
        *,
        also: Statuses = (),
        once: bool = False,
        **values: Any,
    ) -> T:
        request = _request(self._client, method, path, **values)
        answer: T = Retrying(**self._persistent(once=once))(self._once, request, also)
        return answer

    def _once(self, request: httpx.Request, also: Statuses) -> Any:
        try:
            return _read(self._client.send(request, follow_redirects=request.method == "GET"), also)
        except httpx.RequestError as error:
            raise errors.no_answer(request, error) from error

    @contextmanager
    def _download(self, media_type: str, path: str, **values: Any) -> Iterator[Iterator[bytes]]:
        """The parts of a file as they come. Raises Unavailable if it breaks off: begin again."""
        request = _request(self._client, "GET", path, **_accepting(media_type, values))
        answer: httpx.Response = Retrying(**self._persistent())(self._opened, request)
        with closing(answer):
            try:
                yield answer.iter_bytes()
            except httpx.RequestError as error:
                raise errors.no_answer(request, error) from error

    @contextmanager
    def _stream(self, path: str, **values: Any) -> Iterator[Iterator[StreamEvent]]:
        """Events as they come, until the service stops. Raises Unavailable if they break off."""
        with self._download(MEDIA_TYPE, path, **values) as parts:
            yield events(parts)

    def _opened(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = self._client.send(request, stream=True, follow_redirects=True)
            if not _is_file(answer):
                answer.read()
                raise _no_file(answer)
        except httpx.RequestError as error:
            raise errors.no_answer(request, error) from error
        return answer


class AsyncClient(_Service):
    """One service; use as an asynchronous context manager."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        on_retry: Told | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, key, timeout_s, patience_s, on_retry)
        self._client = httpx.AsyncClient(**self._settings, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def _call(
        self,
        kind: type[T],  # noqa: ARG002
        method: str,
        path: str,
        *,
        also: Statuses = (),
        once: bool = False,
        **values: Any,
    ) -> T:
        request = _request(self._client, method, path, **values)
        answer: T = await AsyncRetrying(**self._persistent(once=once))(self._once, request, also)
        return answer

    async def _once(self, request: httpx.Request, also: Statuses) -> Any:
        try:
            return _read(
                await self._client.send(request, follow_redirects=request.method == "GET"), also
            )
        except httpx.RequestError as error:
            raise errors.no_answer(request, error) from error

    @asynccontextmanager
    async def _download(
        self, media_type: str, path: str, **values: Any
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The parts of a file as they come. Raises Unavailable if it breaks off: begin again."""
        request = _request(self._client, "GET", path, **_accepting(media_type, values))
        answer: httpx.Response = await AsyncRetrying(**self._persistent())(self._opened, request)
        async with aclosing(answer):
            try:
                yield answer.aiter_bytes()
            except httpx.RequestError as error:
                raise errors.no_answer(request, error) from error

    @asynccontextmanager
    async def _stream(self, path: str, **values: Any) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        """Events as they come, until the service stops. Raises Unavailable if they break off."""
        async with self._download(MEDIA_TYPE, path, **values) as parts:
            yield aevents(parts)

    async def _opened(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = await self._client.send(request, stream=True, follow_redirects=True)
            if not _is_file(answer):
                await answer.aread()
                raise _no_file(answer)
        except httpx.RequestError as error:
            raise errors.no_answer(request, error) from error
        return answer


def _accepting(media_type: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "headers": {**values.get("headers", {}), "Accept": media_type}}


def _request(
    client: httpx.Client | httpx.AsyncClient,
    method: str,
    path: str,
    *,
    query: Values | None = None,
    headers: Values | None = None,
    body: object = None,
) -> httpx.Request:
    """Made once for a call: all its repetitions carry the same key."""
    said = {name: _text(value) for name, value in (query or {}).items() if value is not None}
    told = {name: _text(value) for name, value in (headers or {}).items() if value is not None}
    if headers is not None and _IDEMPOTENCY_KEY in headers:
        told.setdefault(_IDEMPOTENCY_KEY, str(uuid.uuid4()))
    content = None
    if body is not None:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        told["Content-Type"] = errors.JSON
    return client.build_request(method, path, params=said, headers=told, content=content)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return instants.render(value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)


def _is_file(answer: httpx.Response) -> bool:
    return answer.is_success and errors.media_type(answer) == answer.request.headers["Accept"]


def _no_file(answer: httpx.Response) -> ApiError:
    if answer.is_success:
        return errors.not_asked_for(answer, answer.request.headers["Accept"])
    return errors.of_answer(answer)


def _read(answer: httpx.Response, also: Statuses) -> Any:
    """The decoded answer; with a status of `also` it is one unless its media type says that it is a problem."""
    if not answer.is_success and (
        answer.status_code not in also or errors.media_type(answer) != errors.JSON
    ):
        raise errors.of_answer(answer)
    try:
        return msgspec.json.decode(answer.content)
    except msgspec.DecodeError as error:
        raise errors.not_asked_for(answer, errors.JSON) from error


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    told = error.wait_s if isinstance(error, Unavailable) else None
    return _growing(state) if told is None else told
