"""Real servers on real ports."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
from fastapi import APIRouter, FastAPI, Request

from shared.http import (
    create_app,
    serve,
)
from tests.support.checkout import ROOT
from tests.support.fresh_servers import eventually
from tests.support.parcel_app import KEY, ODD_IDS, free_port, router, served, settings


async def test_a_real_server_routes_odd_ids_and_refuses_large_bodies() -> None:
    app = create_app(service="test", settings=settings(), routers=[router])
    async with served(app) as client:
        for sent, meant in ODD_IDS:
            assert (await client.get(f"/v1/customers/{sent}/history")).json()["history"] == meant
        assert (
            await client.post("/v1/parcels", content=b" " * (5 * 1024 * 1024 + 1))
        ).status_code == 413
        assert "server" not in (await client.get("/livez")).headers


def serve_until_broken(port: int) -> None:
    """An application whose background work fails as soon as it is told to."""

    async def work(broken: asyncio.Event) -> None:
        await broken.wait()
        raise asyncpg.UndefinedTableError("what it works on is gone")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.broken = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(work(app.state.broken))
            yield

    fragile = APIRouter()

    @fragile.post("/break")
    async def break_it(request: Request) -> None:
        request.app.state.broken.set()

    serve(
        create_app(service="test", settings=settings(), routers=[fragile], lifespan=lifespan),
        settings(port=port),
    )


async def test_a_process_whose_background_work_has_failed_ends_with_an_error() -> None:
    port = free_port()
    code = (
        "from tests.unit.shared.http.test_server import serve_until_broken; "
        f"serve_until_broken({port})"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=KEY) as client:
            await eventually(lambda: _broken(client))
        async with asyncio.timeout(10):
            assert await process.wait() == 1, "so that it is started anew"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def serve_until_stopped(port: int) -> None:
    app = create_app(service="test", settings=settings(), routers=[router])
    serve(app, settings(port=port, leave_s=1))


async def test_a_process_that_is_to_stop_is_not_ready_while_it_still_takes_requests() -> None:
    port = free_port()
    code = (
        "from tests.unit.shared.http.test_server import serve_until_stopped; "
        f"serve_until_stopped({port})"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    seen: list[int] = []

    async def readiness() -> int:
        """The status on a connection of its own; 0 if there is none any more."""
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                return (await client.get("/readyz")).status_code
        except httpx.TransportError:
            return 0

    async def has_left() -> bool:
        seen.append(await readiness())
        return not seen[-1]

    try:
        await eventually(readiness)
        process.terminate()
        await eventually(has_left, every_s=0.02)
        assert 503 in seen, "before new connections fail"
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _broken(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.post("/break")).is_success
    except httpx.ConnectError:
        return False
