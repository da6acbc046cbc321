"""What a request may cost: raw connections to a real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest
from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from shared.http import create_app
from shared.http.limits import bodies, connections
from shared.settings import Settings
from tests.support.fresh_servers import eventually
from tests.support.parcel_app import router, served, settings

MIB = 1024 * 1024
START = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
AUTHORIZED = b"Authorization: Bearer key-of-the-tests\r\n"
POST = (
    b"POST /v1/parcels HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer key-of-the-tests\r\n"
)


class Wire:
    """A connection without a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def status(self) -> int:
        """The status of the next answer; 0 if the connection ends without one."""
        async with asyncio.timeout(5):
            line = await self._reader.readline()
        return int(line.split()[1]) if line else 0

    async def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        async with asyncio.timeout(5):
            return await self._reader.read()

    async def flood(self, piece: bytes, *, most: int) -> int:
        """Send as much as is taken, and return its size."""
        sent = 0
        try:
            while sent < most and not self._reader.at_eof():
                await self.send(piece)
                sent += len(piece)
                await asyncio.sleep(0)
        except OSError:
            pass
        return sent


@asynccontextmanager
async def wire(client: httpx.AsyncClient) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def server(**changes: object) -> AsyncIterator[httpx.AsyncClient]:
    config: Settings = settings(**changes)
    async with served(create_app(service="test", settings=config, routers=[router])) as client:
        yield client


@contextmanager
def limits(patch: pytest.MonkeyPatch, **values: float) -> Iterator[None]:
    with patch.context() as during:
        for name, value in values.items():
            for module in (bodies, connections):
                if hasattr(module, name):
                    during.setattr(module, name, value)
        yield


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        START,
        START + b"X-Long: ",
        b"GET /",
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
    ids=["nothing", "headers", "one header", "an address", "a trailer"],
)
async def test_endless_headers_are_not_kept(beginning: bytes) -> None:
    piece = b"x" * 4096
    async with server() as client, wire(client) as attacker:
        await attacker.send(beginning)
        assert await attacker.flood(piece, most=8 * MIB) < 2 * MIB, "the rest waits in the kernel"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"", 200),
        (b"".join(b"X-%d: 1\r\n" % n for n in range(99)), 200),
        (b"".join(b"X-%d: 1\r\n" % n for n in range(100)), 431),
        (b"X: %b\r\n" % (b"x" * 31 * 1024), 200),
        (b"X: %b\r\n" % (b"x" * 32 * 1024), 431),
    ],
    ids=["one", "a hundred", "one too many", "long", "too long"],
)
async def test_headers_are_limited_in_number_and_size(headers: bytes, status: int) -> None:
    async with server() as client, wire(client) as sender:
        await sender.send(START + headers + b"\r\n")
        assert await sender.status() == status


async def test_a_long_address_is_refused() -> None:
    async with server() as client, wire(client) as sender:
        await sender.send(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 33 * 1024))
        assert await sender.status() == 431
        answer = await sender.rest()
        assert b"application/problem+json" in answer
        assert b"headers_too_large" in answer


@pytest.mark.parametrize("beginning", [b"", b"\r\n", START, START[:9]])
async def test_headers_have_a_time(monkeypatch: pytest.MonkeyPatch, beginning: bytes) -> None:
    async with server() as client:
        with limits(monkeypatch, HEAD_WITHIN_S=0.2):
            async with wire(client) as slow:
                await slow.send(beginning)
                assert await slow.status() == 408


async def test_a_body_has_a_time_in_every_service(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server() as client:
        with limits(monkeypatch, BODY_WITHIN_S=0.2):
            async with wire(client) as slow:
                await slow.send(POST + b'Content-Length: 14\r\n\r\n{"weight"')
                assert await slow.status() == 408
                answer = await slow.rest()
                assert b'"code":"too_slow"' in answer
                assert b"x-request-id" in answer


async def test_a_body_that_nobody_reads_has_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server() as client:
        with limits(monkeypatch, BODY_WITHIN_S=0.1, _AFTER_ANSWER_S=0.1):
            async with wire(client) as slow:
                await slow.send(
                    b"POST /v1/parcels HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n"
                )
                assert await slow.status() == 401
                await slow.send(b"a part of it")
                try:
                    await slow.rest()
                except ConnectionResetError:
                    return


async def test_connections_are_limited_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server() as client:
        with limits(monkeypatch, MAX_CONNECTIONS=3):
            async with wire(client) as first, wire(client) as second:
                async with wire(client) as third:
                    assert await third.status() == 503
                    assert b"retry-after: 1" in await third.rest()
                await first.send(START + b"\r\n")
                assert await first.status() == 200
                await second.send(START + b"Connection: close\r\n\r\n")
                assert b"live" in await second.rest()

            async def there_is_room() -> bool:
                async with wire(client) as fourth:
                    await fourth.send(START + b"\r\n")
                    return await fourth.status() == 200

            await eventually(there_is_room, what="a place is free")


async def test_uploads_that_announce_much_and_send_nothing_cost_the_others_nothing() -> None:
    async with (
        server(in_flight_bytes=5 * MIB) as client,
        wire(client) as idle,
        wire(client) as busy,
    ):
        for each in (idle, busy):
            await each.send(POST + b"Content-Length: %d\r\n\r\n" % (5 * MIB))
        assert (await client.post("/v1/parcels", json={"weight": 1})).status_code == 200
        await busy.send(b" " * (5 * MIB - 1))

        async def spent() -> bool:
            answer = await client.post("/v1/parcels", json={"weight": 1})
            if answer.status_code == 200:
                return False
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
            assert answer.headers["retry-after"] == "1"
            return True

        await eventually(spent, what="what has arrived counts")
        await busy.send(b"1")
        assert await busy.status() == 422
        assert (await client.post("/v1/parcels", json={"weight": 1})).status_code == 200


async def test_a_client_that_takes_no_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    large = APIRouter()

    @large.get("/large")
    async def answer() -> Response:
        return StreamingResponse(b"x" * MIB for _ in range(16))

    lost: list[object] = []

    class Watched(connections.LimitedConnection):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self.scope["path"] == "/large":
                lost.append(exc)

    monkeypatch.setattr("shared.http.server.LimitedConnection", Watched)
    app = create_app(service="test", settings=settings(), routers=[large])
    with limits(monkeypatch, STALLED_S=0.2):
        async with served(app) as client, wire(client) as deaf:
            await deaf.send(b"GET /large HTTP/1.1\r\nHost: x\r\n" + AUTHORIZED + b"\r\n")
            await eventually(lambda: lost, within_s=10, what="the connection is ended")
