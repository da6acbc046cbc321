"""The ingest process: `python -m services.ingest.app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

from services.ingest.events.routes import router
from services.ingest.events.service import EventService
from services.ingest.settings import IngestSettings
from shared import http, logs
from shared.error_texts import describe
from shared.errors import Retryable
from shared.kafka.publisher import Publisher
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.processes import INGEST
from shared.settings import load

log = structlog.get_logger()


def create_app(settings: IngestSettings) -> FastAPI:
    """The application, connected to Kafka while it runs."""
    publisher = Publisher(
        settings.kafka_bootstrap,
        client_id=INGEST,
        topic=CUSTOMER_EVENTS,
        partitions=settings.partitions,
        timeout_s=settings.publish_timeout_s,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.events = EventService(settings, publisher)
        try:
            async with asyncio.timeout(settings.publish_timeout_s):
                await publisher.check()
        except (Retryable, TimeoutError) as error:
            log.warning("ingest.not_ready", error=describe(error))
        yield
        await publisher.close()

    return http.create_app(
        service=INGEST,
        settings=settings,
        routers=[router],
        lifespan=lifespan,
        ready=publisher.check,
    )


def main() -> None:
    """Serve until SIGTERM."""
    settings = load(IngestSettings, INGEST)
    logs.configure(INGEST, fmt=settings.log_format, level=settings.log_level)
    log.info("ingest.started", host=settings.host, port=settings.port, clock=settings.clock)
    http.serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
