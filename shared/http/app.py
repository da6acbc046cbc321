"""The factory of every HTTP application: a service's routers within the common contract."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI

from shared.http.etag import install_not_modified
from shared.http.limits.bodies import BodyBudget
from shared.http.middleware import EdgeMiddleware
from shared.http.openapi.document import ABOUT, complete
from shared.http.probes import probe_router
from shared.http.problems import install_problems
from shared.http.query import only_declared_query
from shared.settings import Settings

MAX_BODY: Final = 5 * 1024 * 1024

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


class _Application(FastAPI):
    """An application whose OpenAPI document is completed."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            complete(super().openapi())
        return super().openapi()


async def _always_ready() -> None:
    return None


def create_app(
    *,
    service: str,
    settings: Settings,
    routers: Sequence[APIRouter] = (),
    lifespan: Lifespan | None = None,
    ready: Callable[[], Awaitable[None]] = _always_ready,
    live: Callable[[], bool] | None = None,
    max_body: int = MAX_BODY,
) -> FastAPI:
    """An application with the probes, key, errors and limits that all services share.

    `ready` raises if something that this process needs does not answer; `live` says whether its
    loop still moves. Without routers it serves the probes of a worker. `app.state.stopping` is set
    when the server begins to stop: endless answers end then. `app.state.leaving` is true before:
    the process is not ready for anything new any more.
    """
    app = _application(service, lifespan)
    app.state.stopping = asyncio.Event()
    app.state.leaving = False
    install_problems(app)
    install_not_modified(app)
    for router in (probe_router(ready, live), *routers):
        app.include_router(router, dependencies=[Depends(only_declared_query)])
    key = settings.api_key.get_secret_value()
    budget = BodyBudget(each=max_body, together=settings.in_flight_bytes)
    app.add_middleware(EdgeMiddleware, api_key=key, budget=budget)
    return app


def _application(service: str, lifespan: Lifespan | None) -> FastAPI:
    # No page at /docs: a browser could not send the key, which /openapi.json needs as well.
    # No redirects: with a slash too many, an address is none (404).
    return _Application(
        title=f"Stammkunde {service}",
        description=ABOUT,
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )


def _operation_id(route: Any) -> str:
    return str(route.name)
