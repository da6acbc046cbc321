"""Consuming while a worker lives: one session after another, with pauses after failures."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

from shared import metrics
from shared.aio import wait
from shared.clock import monotonic
from shared.error_texts import describe
from shared.errors import Fenced, Retryable, leaves
from shared.settings import Settings
from shared.stream.handler import Handler, Reader, Subscription
from shared.stream.session import Session

log = structlog.get_logger()

FIRST_DELAY_S: Final = 0.2
LAST_DELAY_S: Final = 5.0
STABLE_S: Final = 30.0
"""A session that lasted longer than this starts the delays anew when it fails."""


async def consume(
    subscription: Subscription,
    settings: Settings,
    new_handler: Callable[[Reader], Handler[Any]],
    stop: asyncio.Event,
    watch: Callable[[Session], None] = lambda _: None,
) -> None:
    """Hold one session after another until `stop`; wait longer after each failure, up to 5 s.

    A new session reads everything from the database: nothing of a failed batch stays in memory.
    Static membership keeps the partitions in the meantime. Raises whatever is neither Retryable
    nor Fenced.
    """
    delay = FIRST_DELAY_S
    while not stop.is_set():
        session = Session(subscription, settings)
        began = monotonic()
        watch(session)
        try:
            await session.run(new_handler, stop)
        except* (Retryable, Fenced) as group:
            if monotonic() - began > STABLE_S:
                delay = FIRST_DELAY_S
            errors = leaves(group)
            metrics.RETRIES.labels(type(errors[0]).__name__).inc()
            log.warning("session.ended", reasons=list(map(describe, errors)), again_in_s=delay)
        if not stop.is_set():
            await wait(stop, delay)
            delay = min(delay * 2, LAST_DELAY_S)
