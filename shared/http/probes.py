"""The probes of every process: alive, ready, and its metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from shared.errors import Problem, StammkundeError
from shared.http.problems import ProblemKind, problems

log = structlog.get_logger()

READY_WITHIN_S: Final = 2.0

_NOT_LIVE: Final = ProblemKind(503, "not_live", "The loop of this process has stopped.")
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


class Health(BaseModel):
    """The state of a healthy process."""

    status: Literal["live", "ready"] = Field(
        description="`live` from /livez, `ready` from /readyz."
    )


def probe_router(
    ready: Callable[[], Awaitable[None]], live: Callable[[], bool] | None
) -> APIRouter:
    """`/livez`, `/readyz` and `/metrics`.

    `ready` raises if something that the process needs does not answer; `live` says whether its
    loop still moves.
    """
    router = APIRouter(tags=["probes"])

    @router.get("/livez", responses=problems(_NOT_LIVE))
    async def livez() -> Health:
        """200 while the process makes progress."""
        if live is not None and not live():
            raise Problem(*_NOT_LIVE)
        return Health(status="live")

    @router.get("/readyz", responses=problems(_NOT_READY))
    async def readyz(request: Request) -> Health:
        """200 while everything that this process needs is available, and until it is to stop."""
        await _check(ready, leaving=request.app.state.leaving)
        return Health(status="ready")

    @router.get("/metrics", response_class=Response, responses=_METRICS)
    async def show_metrics() -> Response:
        """The metrics in Prometheus' text format."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _check(ready: Callable[[], Awaitable[None]], *, leaving: bool) -> None:
    if leaving:
        raise Problem(503, "not_ready", "This process is stopping.", retry_after=1)
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
