"""The HTTP process of referral: `python -m services.referral.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI

from services.referral.announcements import Announcer
from services.referral.api.context import ApiContext
from services.referral.claims import routes as claim_routes
from services.referral.codes import routes as code_routes
from services.referral.customers import routes as customer_routes
from services.referral.figures import routes as figure_routes
from services.referral.ledger import routes as ledger_routes
from services.referral.settings import ReferralSettings
from shared import http, logs
from shared.database.connection import create_pool, ping
from shared.events.customer_ids import no_customers
from shared.http import partitions
from shared.processes import REFERRAL
from shared.settings import load

ROUTERS: Final = (
    code_routes.router,
    claim_routes.router,
    ledger_routes.router,
    customer_routes.router,
    figure_routes.router,
    partitions.router,
)


def create_app(settings: ReferralSettings) -> FastAPI:
    """The application; it connects when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await create_pool(settings.database_url.get_secret_value(), REFERRAL) as pool:
            app.state.context = ApiContext(
                pool,
                settings.terms,
                Announcer(settings.partitions),
                settings.clock,
                no_customers(settings.no_customers),
                settings.code_secret_bytes,
            )
            yield

    async def ready() -> None:
        await ping(app.state.context.pool)

    app = http.create_app(
        service=REFERRAL, settings=settings, routers=ROUTERS, lifespan=lifespan, ready=ready
    )
    return app


def main() -> None:
    """Run until SIGTERM."""
    settings = load(ReferralSettings, REFERRAL)
    logs.configure(REFERRAL, fmt=settings.log_format, level=settings.log_level)
    http.serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
