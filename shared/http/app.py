"""The factory of every HTTP application: routers of a service, inside the common contract."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import structlog
from fastapi import APIRouter, Depends, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.errors import Problem, StammkundeError
from shared.http.edge import Edge
from shared.http.params import only_declared_query
from shared.http.problems import RESPONSES, install
from shared.settings import Settings

log = structlog.get_logger()

MAX_BODY: Final = 5 * 1024 * 1024
READY_WITHIN_S: Final = 2.0

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


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
    """An application with the probes, the key, the errors and the limits that all services share.

    `ready` raises when something this process needs does not answer; `live` says whether its loop still moves.
    Without routers it is the probe of a worker. The contract (`/openapi.json`) takes the key like everything else,
    and there is no page at `/docs`: a browser could not send the key.
    """
    app = FastAPI(title=f"Stammkunde {service}", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    install(app)
    for router in (_probes(ready, live), *routers):
        app.include_router(router, dependencies=[Depends(only_declared_query)], responses=RESPONSES)
    app.add_middleware(Edge, api_key=settings.api_key.get_secret_value(), max_body=max_body)
    return app


def _probes(ready: Callable[[], Awaitable[None]], live: Callable[[], bool] | None) -> APIRouter:
    router = APIRouter(tags=["probes"])

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        """200 while the process makes progress."""
        if live is not None and not live():
            raise Problem(503, "not_live", "The loop of this process has stopped moving.")
        return {"status": "live"}

    @router.get("/readyz")
    async def readyz() -> dict[str, str]:
        """200 while everything that this process needs answers."""
        await _check(ready)
        return {"status": "ready"}

    @router.get("/metrics", response_class=Response)
    async def show_metrics() -> Response:
        """Prometheus text."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _check(ready: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            await ready()
    except TimeoutError:
        raise Problem(503, "not_ready", f"No answer within {READY_WITHIN_S:g} s.", retry_after=1) from None
    except Problem:
        raise
    except StammkundeError as error:
        raise Problem(503, "not_ready", str(error), retry_after=1) from error
    except Exception as error:
        log.exception("readiness.failed")
        raise Problem(503, "not_ready", type(error).__name__, retry_after=1) from error
