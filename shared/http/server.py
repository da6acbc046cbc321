"""Serves an application with uvicorn, in its own process or in a worker's loop."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Iterator
from typing import Final, Protocol

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from shared.http.limits.connections import LimitedConnection
from shared.settings import Settings

log = structlog.get_logger()

_TICK_S: Final = 0.1
_CLOSE_S: Final = 2.0
"""The part of the time to stop that is left to the lifespan, to close what it opened."""


class _Stop(Protocol):
    async def wait(self) -> object: ...


class _Server(uvicorn.Server):
    """Tells the application that it is stopping before it waits for unfinished answers."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(_config(app, settings))
        self._state = app.state
        self._leave_s = settings.leave_s

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._state.leaving = True
        await self._let_others_notice()
        self._state.stopping.set()
        await super().shutdown(sockets)

    async def _let_others_notice(self) -> None:
        """Answer for a while that this process is not ready, before new connections fail."""
        for _ in range(round(self._leave_s / _TICK_S)):
            if self.force_exit or self.lifespan.error_occurred:
                return
            await asyncio.sleep(_TICK_S)

    async def on_tick(self, counter: int) -> bool:
        # uvicorn itself would go on serving an application whose background work has failed.
        return await super().on_tick(counter) or self.lifespan.error_occurred

    @property
    def failed(self) -> bool:
        """Whether it never served, or the application's lifespan ended with an error."""
        return not self.started or self.lifespan.error_occurred


class _EmbeddedServer(_Server):
    """A server in somebody else's loop, which handles the signals itself."""

    async def _let_others_notice(self) -> None:
        """Nothing: whoever stops it has been leaving since the signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; unfinished requests may end within `shutdown_s` in all.

    Raises SystemExit(1) if it could not start, or if the application's background work failed.
    """
    # uvicorn raises the captured signal again at the end; with these handlers the process
    # then exits with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = _Server(app, settings)
    # Imported objects stay: a collection that visits them stops everything for a third of a second.
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve())
    if server.failed:
        log.error("http.failed")
        raise SystemExit(1)
    log.info("http.stopped")


async def serve_within(app: FastAPI, settings: Settings, stop: _Stop) -> None:
    """Serve in the running loop (the probes of a worker) until `stop` is set."""
    server = _EmbeddedServer(app, settings)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        stopping = group.create_task(stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        stopping.cancel()


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=LimitedConnection,
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, int(settings.shutdown_s - settings.leave_s - _CLOSE_S)),
    )
