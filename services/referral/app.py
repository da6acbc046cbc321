"""The HTTP process of referral: `python -m services.referral.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.referral.claims.routes import router
from services.referral.claims.service import ReferralService
from services.referral.settings import ReferralSettings
from shared import http, logs
from shared.database import connection as db


def create_app(settings: ReferralSettings) -> FastAPI:
    """The application; it connects when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await db.create_pool(settings.database_url, "referral") as pool:
            app.state.pool = pool
            app.state.desk = ReferralService(
                pool, settings.terms, settings.partitions, settings.clock
            )
            yield

    async def ready() -> None:
        await db.ping(app.state.pool)

    app = http.create_app(
        service="referral", settings=settings, routers=[router], lifespan=lifespan, ready=ready
    )
    return app


def main() -> None:
    """Run until SIGTERM."""
    settings = ReferralSettings()
    logs.configure("referral", fmt=settings.log_format, level=settings.log_level)
    http.serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
