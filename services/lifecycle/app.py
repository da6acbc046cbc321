"""The HTTP process of lifecycle: `python -m services.lifecycle.app`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import State

from services.lifecycle.api.context import ApiContext
from services.lifecycle.cadence import routes as cadence_routes
from services.lifecycle.cadence.fitter import Fitter
from services.lifecycle.cadence.nightly import NightlyFit
from services.lifecycle.changes import routes as change_routes
from services.lifecycle.changes.service import ChangeService
from services.lifecycle.clocks import furthest_clock
from services.lifecycle.counts import routes as count_routes
from services.lifecycle.customers import routes as customer_routes
from services.lifecycle.explain import routes as explanation_routes
from services.lifecycle.figures import routes as figure_routes
from services.lifecycle.figures.complaint_patterns import ComplaintPatternWatch
from services.lifecycle.figures.precompute import Precomputation
from services.lifecycle.figures.service import FigureService
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
from shared.database.connection import Pool
from shared.http import partitions
from shared.processes import LIFECYCLE
from shared.settings import load

ROUTERS: Final = (
    customer_routes.router,
    count_routes.router,
    explanation_routes.router,
    policy_routes.router,
    cadence_routes.router,
    simulation_routes.router,
    change_routes.router,
    figure_routes.router,
    list_routes.router,
    partitions.router,
)


def create_app(settings: LifecycleSettings) -> FastAPI:
    """Make the application, which connects to its database when it starts."""
    policy = load_policy(settings.policy_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await db.create_pool(
            settings.database_url.get_secret_value(), LIFECYCLE
        ) as pool:
            async with pool.acquire() as connection:
                await registry.adopt(connection, policy, await furthest_clock(connection))
            add_services(app.state, pool, settings)
            async with running_in_background(app.state, settings):
                yield

    async def ready() -> None:
        await db.ping(app.state.context.pool)

    app = http.create_app(
        service=LIFECYCLE, settings=settings, routers=ROUTERS, lifespan=lifespan, ready=ready
    )
    return app


def add_services(state: State, pool: Pool, settings: LifecycleSettings) -> None:
    """Make the services that the routes depend on, and put them into the application's state."""
    state.context = ApiContext(pool, settings.partitions)
    state.simulation_runner = SimulationRunner(pool)
    state.fitter = Fitter(pool)
    state.nightly_fit = NightlyFit(state.fitter.fit, settings.fit_hour)
    state.figures = FigureService(pool)
    state.precomputation = Precomputation(pool, state.figures)
    state.patterns = ComplaintPatternWatch(pool)
    state.changes = ChangeService(pool, settings.partitions, days=settings.changes_days)
    state.streams = change_routes.stream_slots()
    state.exports = list_routes.export_slots()


@asynccontextmanager
async def running_in_background(state: State, settings: LifecycleSettings) -> AsyncIterator[None]:
    """Run what the process does besides answering requests."""
    parts = [
        state.simulation_runner.running(),
        state.patterns.running(),
        state.precomputation.running(),
        state.changes.running(state.stopping),
    ]
    if settings.clock is ClockMode.WALL:
        parts.append(state.nightly_fit.running())
    async with AsyncExitStack() as stack:
        for part in parts:
            await stack.enter_async_context(part)
        yield


def main() -> None:
    """Run until SIGTERM."""
    settings = load(LifecycleSettings, LIFECYCLE)
    logs.configure(LIFECYCLE, fmt=settings.log_format, level=settings.log_level)
    http.serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
