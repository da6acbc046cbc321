"""The HTTP process of lifecycle: `python -m services.lifecycle.app`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from services.lifecycle import clocks
from services.lifecycle.api.context import ApiContext
from services.lifecycle.cadence import routes as cadence_routes
from services.lifecycle.cadence.fitter import Fitter
from services.lifecycle.cadence.nightly import NightlyFit
from services.lifecycle.changes import routes as change_routes
from services.lifecycle.changes.service import Changes
from services.lifecycle.customers import routes as customer_routes
from services.lifecycle.explain import routes as reason_routes
from services.lifecycle.figures import routes as figure_routes
from services.lifecycle.figures.complaint_patterns import Patterns
from services.lifecycle.figures.precompute import Keeper
from services.lifecycle.figures.service import Figures
from services.lifecycle.lists import routes as list_routes
from services.lifecycle.policies import registry
from services.lifecycle.policies import routes as policy_routes
from services.lifecycle.policies.document import load_policy
from services.lifecycle.settings import LifecycleSettings
from services.lifecycle.simulations import routes as simulation_routes
from services.lifecycle.simulations.runner import SimulationRunner
from shared import http, logs
from shared.clock import ClockMode
from shared.database import connection as db


def create_app(settings: LifecycleSettings) -> FastAPI:
    """The application; it connects when it starts."""
    policy = load_policy(settings.policy_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await db.create_pool(settings.database_url, "lifecycle") as pool:
            async with pool.acquire() as connection:
                await registry.adopt(connection, policy, await clocks.furthest_clock(connection))
            app.state.context = ApiContext(pool, settings.partitions)
            app.state.simulating = SimulationRunner(pool)
            app.state.fitter = Fitter(pool)
            app.state.figures = Figures(pool)
            app.state.patterns = Patterns(pool)
            app.state.changes = Changes(pool, settings.partitions, days=settings.changes_days)
            app.state.streams = change_routes.places()
            app.state.exports = list_routes.places()
            app.state.nights = NightlyFit(app.state.fitter.fit, settings.fit_hour)
            async with AsyncExitStack() as background:
                await background.enter_async_context(app.state.simulating.running())
                await background.enter_async_context(app.state.patterns.running())
                await background.enter_async_context(Keeper(pool, app.state.figures).running())
                await background.enter_async_context(app.state.changes.running(app.state.stopping))
                if settings.clock is ClockMode.WALL:
                    await background.enter_async_context(app.state.nights.running())
                yield

    async def ready() -> None:
        await db.ping(app.state.context.pool)

    routers = [
        customer_routes.router,
        reason_routes.router,
        policy_routes.router,
        cadence_routes.router,
        simulation_routes.router,
        change_routes.router,
        figure_routes.router,
        list_routes.router,
    ]
    app = http.create_app(
        service="lifecycle", settings=settings, routers=routers, lifespan=lifespan, ready=ready
    )
    return app


def main() -> None:
    """Run until SIGTERM."""
    settings = LifecycleSettings()
    logs.configure("lifecycle", fmt=settings.log_format, level=settings.log_level)
    http.serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
