"""The API process of reactivation: `python -m services.reactivation.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI

from services.reactivation.api.context import ApiContext
from services.reactivation.cases import routes as case_routes
from services.reactivation.customers import routes as customer_routes
from services.reactivation.offers import routes as offer_routes
from services.reactivation.settings import ReactivationSettings
from shared import http, logs
from shared.database.connection import create_pool, ping
from shared.http import partitions
from shared.processes import REACTIVATION
from shared.settings import load

ROUTERS: Final = (
    case_routes.router,
    offer_routes.router,
    customer_routes.router,
    partitions.router,
)


def create_app(settings: ReactivationSettings) -> FastAPI:
    """The application; it connects when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await create_pool(
            settings.database_url.get_secret_value(), REACTIVATION
        ) as pool:
            app.state.context = ApiContext(pool, settings.terms, settings.partitions)
            yield

    async def ready() -> None:
        await ping(app.state.context.pool)

    app = http.create_app(
        service=REACTIVATION, settings=settings, routers=ROUTERS, lifespan=lifespan, ready=ready
    )
    return app


def main() -> None:
    """Run until SIGTERM."""
    settings = load(ReactivationSettings, REACTIVATION)
    logs.configure(REACTIVATION, fmt=settings.log_format, level=settings.log_level)
    http.serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
