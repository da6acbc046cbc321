"""The API process of reactivation: `python -m services.reactivation.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.reactivation.cases.routes import router
from services.reactivation.offers.service import OfferService
from services.reactivation.settings import ReactivationSettings
from shared import http, logs
from shared.database import connection as db
from shared.processes import REACTIVATION


def create_app(settings: ReactivationSettings) -> FastAPI:
    """The application; its pool of connections opens with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await db.create_pool(settings.database_url, REACTIVATION) as pool:
            app.state.pool = pool
            app.state.till = OfferService(pool, settings.terms())
            yield

    async def ready() -> None:
        await db.ping(app.state.pool)

    app = http.create_app(
        service=REACTIVATION, settings=settings, routers=[router], lifespan=lifespan, ready=ready
    )
    return app


def main() -> None:
    """Run until told to stop."""
    settings = ReactivationSettings()
    logs.configure(REACTIVATION, fmt=settings.log_format, level=settings.log_level)
    http.serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
