"""The HTTP process of lifecycle: `python -m services.lifecycle.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.lifecycle.routes import Lifecycle, router
from services.lifecycle.settings import LifecycleSettings, load_policy
from shared import db, http, logs


def create_app(settings: LifecycleSettings) -> FastAPI:
    """The application; it connects when it starts."""
    policy = load_policy(settings.policy_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await db.create_pool(settings.database_url, "lifecycle") as pool:
            app.state.lifecycle = Lifecycle(pool, policy, settings.partitions)
            yield

    async def ready() -> None:
        await db.ping(app.state.lifecycle.pool)

    app = http.create_app(service="lifecycle", settings=settings, routers=[router], lifespan=lifespan, ready=ready)
    return app


def main() -> None:
    """Run until SIGTERM."""
    settings = LifecycleSettings()
    logs.configure("lifecycle", fmt=settings.log_format, level=settings.log_level)
    http.serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
