"""A service that answers a client as told, and keeps its requests."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx

from shared.client.lifecycle import LifecycleClient
from shared.client.referral import ReferralClient

Answer = Callable[[httpx.Request], httpx.Response]


BUSY = httpx.Response(503, headers={"Retry-After": "0"})


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    body = {
        "type": "about:blank",
        "title": "",
        "status": status,
        "code": code,
        "detail": "Told.",
        "errors": [],
        **more,
    }
    return httpx.Response(
        status, headers={"Content-Type": "application/problem+json"}, content=json.dumps(body)
    )


class FakeService:
    """Answers with one response after the other, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.seen: list[httpx.Request] = []
        self._answers = answers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        answer = self._answers[min(len(self.seen), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Parts(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in parts, or breaks off."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def lifecycle(shop: Answer, patience_s: float = 30) -> LifecycleClient:
    return LifecycleClient(
        "http://shop", "key", patience_s=patience_s, transport=httpx.MockTransport(shop)
    )


def referral(shop: Answer) -> ReferralClient:
    return ReferralClient("http://shop", "key", transport=httpx.MockTransport(shop))


HTML = {"Content-Type": "text/html"}


CSV = {"Content-Type": "text/csv; charset=utf-8"}


SENT = {"Content-Type": "text/event-stream"}


PROBLEM = {"Content-Type": "application/problem+json; charset=utf-8"}


def breaks_off(_: httpx.Request) -> httpx.Response:
    return httpx.Response(
        200, headers=CSV, stream=Parts(b"customer\n", httpx.RemoteProtocolError("incomplete"))
    )


CHANGES = [
    httpx.Response(200, json={"items": items, "next": cursor, "more": False})
    for items, cursor in (([], "a"), ([], "a"), ([1], "b"))
]
