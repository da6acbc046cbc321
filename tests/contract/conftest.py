"""The four services over HTTP, in a thread of their own, on a small shop."""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest
import structlog

from shared.http import serve_within
from shared.settings import Settings
from tests.contract import story
from tests.contract.documents import apps
from tests.support.fresh_servers import drop_database, make_database, renew_topics
from tests.support.server_stack import Stack


@pytest.fixture(scope="package")
async def shop(stack: Stack, template: str) -> AsyncIterator[str]:
    """The URL of a database in which the story has been told."""
    await renew_topics(stack.bootstrap)
    url = await make_database(stack.database_url, template=template)
    await story.tell(stack, url)
    yield url
    await drop_database(url)


@pytest.fixture(scope="package")
def quiet() -> Iterator[None]:
    """Log warnings only: a service logs an answer after its test may have ended."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="package")
def services(stack: Stack, shop: str, quiet: None) -> Iterator[Mapping[str, str]]:  # noqa: ARG001  (for its effect)
    """The URL of each service while it serves."""
    known = story.settings(stack, shop)
    ports = {service: _free_port() for service in apps(known)}
    ready = threading.Event()
    stop = _Stop()
    serving = threading.Thread(target=lambda: asyncio.run(_serve(known, ports, ready, stop)))
    serving.start()
    assert ready.wait(30), "the services did not start"
    yield {service: f"http://127.0.0.1:{port}" for service, port in ports.items()}
    stop.set()
    serving.join(30)


class _Stop:
    """Set by one thread, awaited by the loop of another."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def set(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> object:
        self._loop = asyncio.get_running_loop()
        return await self._event.wait()


async def _serve(
    known: Mapping[str, object], ports: Mapping[str, int], ready: threading.Event, stop: _Stop
) -> None:
    async with asyncio.TaskGroup() as group:
        for service, app in apps(known).items():
            settings = Settings.model_validate({**known, "port": ports[service]})
            group.create_task(serve_within(app, settings, stop))
        for port in ports.values():
            await _listening(port)
        ready.set()


async def _listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return await writer.wait_closed()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
