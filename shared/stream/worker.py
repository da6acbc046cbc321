"""The life of a worker process: signals, probes and the batch loop; it drains before it ends."""

import asyncio
import gc
import signal
from collections.abc import Callable
from typing import Any, Final

import structlog
import uvloop

from shared import http, logs
from shared.clock import monotonic
from shared.errors import Retryable
from shared.processes import worker_of
from shared.settings import Settings
from shared.stream.consume import consume
from shared.stream.handler import Handler, Reader, Subscription
from shared.stream.session import Session

log = structlog.get_logger()

LIVE_S: Final = 30.0
"""A worker that has not got on for longer is not live."""


def tune_memory() -> None:
    """Collect garbage rarely.

    A worker keeps many small acyclic objects: with Python's defaults, looking through them all
    costs a third of its time.
    """
    gc.freeze()
    gc.set_threshold(400_000, 50, 100)


def run_worker(
    subscription: Subscription, settings: Settings, new_handler: Callable[[Reader], Handler[Any]]
) -> None:
    """Run a service's worker until SIGTERM or SIGINT.

    If it cannot go on, it ends with an exception, and so with a non-zero status.
    """
    service = worker_of(subscription.service)
    logs.configure(service, fmt=settings.log_format, level=settings.log_level)
    tune_memory()
    uvloop.run(_Worker(subscription, settings, new_handler).run())


class _Worker:
    def __init__(
        self,
        subscription: Subscription,
        settings: Settings,
        new_handler: Callable[[Reader], Handler[Any]],
    ) -> None:
        self._subscription = subscription
        self._settings = settings
        self._new_handler = new_handler
        self._session: Session | None = None

    async def run(self) -> None:
        stop = asyncio.Event()
        ended = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        log.info("worker.started", service=self._subscription.service, worker=self._settings.worker)
        async with asyncio.TaskGroup() as group:
            probes = group.create_task(self._serve_probes(stop, ended))
            overdue = group.create_task(self._give_up_after(stop))
            await consume(self._subscription, self._settings, self._new_handler, stop, self._watch)
            overdue.cancel()
            ended.set()
            await probes
        log.info("worker.stopped")

    def _watch(self, session: Session) -> None:
        self._session = session

    def _is_live(self) -> bool:
        return self._session is not None and monotonic() - self._session.progressed < LIVE_S

    async def _serve_probes(self, stop: asyncio.Event, ended: asyncio.Event) -> None:
        async def ready() -> None:
            if stop.is_set():
                raise Retryable("this worker is stopping")

        if self._settings.port:
            app = http.create_app(
                service=self._subscription.service,
                settings=self._settings,
                live=self._is_live,
                ready=ready,
            )
            await http.serve_within(app, self._settings, ended)

    async def _give_up_after(self, stop: asyncio.Event) -> None:
        """Raise TimeoutError if draining takes too long."""
        await stop.wait()
        await asyncio.sleep(self._settings.shutdown_s)
        raise TimeoutError(f"not drained within {self._settings.shutdown_s:g} s")
