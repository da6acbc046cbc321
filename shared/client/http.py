"""The base of all clients, synchronous and asynchronous: calls, downloads and streams over HTTP."""

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from typing import Any, Final, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, Retrying

from shared.client.answers import failed_download, is_download, network_errors, read_json
from shared.client.repetition import OnRetry, Repetition
from shared.client.requests import build_download, build_request, segment
from shared.client.streams import MEDIA_TYPE, StreamEvent, aevents, events

T = TypeVar("T")

TIMEOUT_S: Final = 60.0
PATIENCE_S: Final = 30.0

__all__ = ["PATIENCE_S", "TIMEOUT_S", "AsyncClient", "Client", "segment"]


class Client:
    """A client of one service; use as a context manager, from any number of threads.

    A call that nobody could answer (no connection, 408, 429, 502 to 504) is repeated until
    `patience_s` after its first failure. An operation that may not be repeated is sent again only
    if the service cannot have begun with it (`Unavailable.received` is false). `on_retry` is
    called with each failure that another attempt follows. `timeout_s` is for one answer.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        on_retry: OnRetry | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._repetition = Repetition(patience_s, on_retry)
        self._client = httpx.Client(
            base_url=url, headers=_authorization(key), timeout=timeout_s, transport=transport
        )

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
        also: Collection[int] = (),
        once: bool = False,
        **values: Any,
    ) -> T:
        request = build_request(self._client, method, path, **values)
        retrying = Retrying(**self._repetition.options(once=once))
        answer: T = retrying(self._send, request, also)
        return answer

    def _send(self, request: httpx.Request, also: Collection[int]) -> Any:
        with network_errors(request):
            answer = self._client.send(request, follow_redirects=request.method == "GET")
            return read_json(answer, also)

    @contextmanager
    def _download(self, media_type: str, path: str, **values: Any) -> Iterator[Iterator[bytes]]:
        """The parts of a file as they arrive. Raises Unavailable if it breaks off: begin again."""
        request = build_download(self._client, path, media_type, **values)
        answer: httpx.Response = Retrying(**self._repetition.options())(self._open, request)
        with closing(answer), network_errors(request):
            yield answer.iter_bytes()

    @contextmanager
    def _stream(self, path: str, **values: Any) -> Iterator[Iterator[StreamEvent]]:
        """Events as they arrive, until the service stops. Raises Unavailable if they break off."""
        with self._download(MEDIA_TYPE, path, **values) as parts:
            yield events(parts)

    def _open(self, request: httpx.Request) -> httpx.Response:
        with network_errors(request):
            answer = self._client.send(request, stream=True, follow_redirects=True)
            if not is_download(answer):
                answer.read()
                raise failed_download(answer)
            return answer


class AsyncClient:
    """The same, asynchronously; use as an asynchronous context manager."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        on_retry: OnRetry | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._repetition = Repetition(patience_s, on_retry)
        self._client = httpx.AsyncClient(
            base_url=url, headers=_authorization(key), timeout=timeout_s, transport=transport
        )

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
        also: Collection[int] = (),
        once: bool = False,
        **values: Any,
    ) -> T:
        request = build_request(self._client, method, path, **values)
        retrying = AsyncRetrying(**self._repetition.options(once=once))
        answer: T = await retrying(self._send, request, also)
        return answer

    async def _send(self, request: httpx.Request, also: Collection[int]) -> Any:
        with network_errors(request):
            answer = await self._client.send(request, follow_redirects=request.method == "GET")
            return read_json(answer, also)

    @asynccontextmanager
    async def _download(
        self, media_type: str, path: str, **values: Any
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The parts of a file as they arrive. Raises Unavailable if it breaks off: begin again."""
        request = build_download(self._client, path, media_type, **values)
        retrying = AsyncRetrying(**self._repetition.options())
        answer: httpx.Response = await retrying(self._open, request)
        async with aclosing(answer):
            with network_errors(request):
                yield answer.aiter_bytes()

    @asynccontextmanager
    async def _stream(self, path: str, **values: Any) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        """Events as they arrive, until the service stops. Raises Unavailable if they break off."""
        async with self._download(MEDIA_TYPE, path, **values) as parts:
            yield aevents(parts)

    async def _open(self, request: httpx.Request) -> httpx.Response:
        with network_errors(request):
            answer = await self._client.send(request, stream=True, follow_redirects=True)
            if not is_download(answer):
                await answer.aread()
                raise failed_download(answer)
            return answer


def _authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
