"""Serving an application with uvicorn: as a process of its own, or beside a worker's loop."""

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

from shared.settings import Settings

log = structlog.get_logger()

_CLOSE_S: Final = 2.0
"""Kept from the time to drain, for the lifespan to close what it opened."""


class _Stop(Protocol):
    """An event that somebody else sets."""

    async def wait(self) -> object: ...


class _Server(uvicorn.Server):
    """Tells the application that it stops, before it waits for the answers under way."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(_config(app, settings))
        self._stopping: asyncio.Event = app.state.stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        # uvicorn itself would go on serving an application whose background work has failed.
        return await super().on_tick(counter) or self.lifespan.error_occurred

    @property
    def failed(self) -> bool:
        """It never served, or the lifespan of the application ended with an error."""
        return not self.started or self.lifespan.error_occurred


class _Guest(_Server):
    """A server in somebody else's loop: signals belong to the host."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(app: FastAPI, settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; requests under way may finish, within `shutdown_s` in all. Returns normally.

    Raises SystemExit(1) if it could not start, or if what the application does in the background has failed.
    """
    # uvicorn raises the captured signal again once it is done; with these handlers the process then ends with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = _Server(app, settings)
    gc.freeze()  # what has been imported stays: to look through it takes a third of a second, while everybody waits
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve())
    if server.failed:
        log.error("http.failed")
        raise SystemExit(1)
    log.info("http.stopped")


async def serve_within(app: FastAPI, settings: Settings, stop: _Stop) -> None:
    """Serve in the running loop (the probes of a worker) until `stop` is set."""
    server = _Guest(app, settings)
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
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, int(settings.shutdown_s - _CLOSE_S)),
    )
