"""The factory of every HTTP application: routers of a service, inside the common contract."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Literal

import structlog
from fastapi import APIRouter, Depends, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from shared.errors import Problem, StammkundeError
from shared.http import etag
from shared.http import openapi as document
from shared.http.middleware import EdgeMiddleware
from shared.http.parameters import only_declared_query
from shared.http.problems import ProblemKind, install, problems
from shared.settings import Settings

log = structlog.get_logger()

MAX_BODY: Final = 5 * 1024 * 1024
READY_WITHIN_S: Final = 2.0

_NOT_LIVE: Final = ProblemKind(503, "not_live", "The loop of this process has stopped moving.")
_NOT_READY: Final = ProblemKind(
    503, "not_ready", "Something that this process needs does not answer."
)
_METRICS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": "# TYPE up gauge\nup 1.0\n"}
        }
    }
}

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


class Health(BaseModel):
    """A process that is well."""

    status: Literal["live", "ready"] = Field(
        description="`live` from /livez, `ready` from /readyz."
    )


class _Application(FastAPI):
    """Its document says what holds of every operation alike."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document.complete(super().openapi())
        return super().openapi()


async def _always_ready() -> None:
    return None


def _operation_id(route: Any) -> str:
    return str(route.name)


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
    and there is no page at `/docs`: a browser could not send the key. `app.state.stopping` is set when the server
    begins to stop: answers that go on for ever end then. With a slash too many an address is none (404).
    """
    app = _Application(
        title=f"Stammkunde {service}",
        description=document.ABOUT,
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.stopping = asyncio.Event()
    install(app)
    etag.install(app)
    for router in (_probes(ready, live), *routers):
        app.include_router(router, dependencies=[Depends(only_declared_query)])
    app.add_middleware(
        EdgeMiddleware, api_key=settings.api_key.get_secret_value(), max_body=max_body
    )
    return app


def _probes(ready: Callable[[], Awaitable[None]], live: Callable[[], bool] | None) -> APIRouter:
    router = APIRouter(tags=["probes"])

    @router.get("/livez", responses=problems(_NOT_LIVE))
    async def livez() -> Health:
        """200 while the process makes progress."""
        if live is not None and not live():
            raise Problem(503, "not_live", "The loop of this process has stopped moving.")
        return Health(status="live")

    @router.get("/readyz", responses=problems(_NOT_READY))
    async def readyz() -> Health:
        """200 while everything that this process needs answers."""
        await _check(ready)
        return Health(status="ready")

    @router.get("/metrics", response_class=Response, responses=_METRICS)
    async def show_metrics() -> Response:
        """Prometheus text."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _check(ready: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            await ready()
    except TimeoutError:
        raise Problem(
            503, "not_ready", f"No answer within {READY_WITHIN_S:g} s.", retry_after=1
        ) from None
    except Problem:
        raise
    except StammkundeError as error:
        raise Problem(503, "not_ready", str(error), retry_after=1) from error
    except Exception as error:
        log.exception("readiness.failed")
        raise Problem(503, "not_ready", type(error).__name__, retry_after=1) from error
