"""The HTTP API of changes: pages behind a cursor, and server-sent events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Send

from services.lifecycle.changes.schemas import ChangePage
from services.lifecycle.changes.service import ChangeService, ChangeSlice
from shared.http.problems import ProblemKind, problems
from shared.http.streams import StreamSlots, send_end, send_part, send_start

router = APIRouter(prefix="/v1", tags=["changes"])

MAX_LIMIT: Final = 1000
MAX_WAIT_S: Final = 30.0
MOST_STREAMS: Final = 200
"""At the same time in one process."""
RETRY_AFTER_S: Final = 5

_UNCACHED: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""The second tells nginx to pass on each event at once."""
_INVALID: Final = ProblemKind(
    422,
    "invalid_cursor",
    "The cursor does not come from an answer of this list; `errors` names it.",
)
_EXPIRED: Final = ProblemKind(
    410, "cursor_expired", "What lies behind the cursor has been deleted; `detail` says what to do."
)
_TOO_MANY: Final = ProblemKind(
    503, "too_many_streams", "Too many streams are open at the moment: wait for `Retry-After`."
)
_EVENTS: Final = (
    "id: AQQBAAMCAQUAAAIBAfDgD74\nretry: 2000\n\n"
    "id: AQUBAAMCAQUAAAIBAWtFQ9E\nevent: phase.changed\n"
    'data: {"specversion":"1.0", …}\n\n: nothing new\n\n'
)
_STREAM: Final[dict[int, dict[str, Any]]] = {
    200: {
        "description": "An event for each change: the cursor behind it (`id`), its type, and the "
        "CloudEvent.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EVENTS}},
    }
}


async def _service(request: Request) -> ChangeService:
    service: ChangeService = request.app.state.changes
    return service


Service = Annotated[ChangeService, Depends(_service)]
After = Annotated[
    str | None,
    Query(
        description="`next` of the last answer. Left out: everything that is kept. `now`: only "
        "what comes from here on."
    ),
]


def stream_slots() -> StreamSlots:
    """The slots for streams of one process."""
    return StreamSlots(MOST_STREAMS, _TOO_MANY, retry_after_s=RETRY_AFTER_S)


class EventStream(StreamingResponse):
    """Server-sent events (WHATWG HTML, section 9.2), cut off when the client takes no more."""

    media_type = "text/event-stream"

    def __init__(
        self, parts: AsyncGenerator[bytes, None], slots: StreamSlots, *, status_code: int = 200
    ) -> None:
        super().__init__(parts, status_code, _UNCACHED)
        self._parts = parts
        self._slots = slots

    async def stream_response(self, send: Send) -> None:
        """Send part after part, each once the client has taken the one before."""
        with self._slots.take(), suppress(TimeoutError):
            async with aclosing(self._parts) as parts:
                await send_start(send, self)
                async for part in parts:
                    await send_part(send, part)
            await send_end(send)


@router.get("/changes", response_model=ChangePage, responses=problems(_INVALID, _EXPIRED))
async def list_changes(
    service: Service,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most items of one page.")] = 100,
    wait_s: Annotated[
        float,
        Query(
            ge=0,
            le=MAX_WAIT_S,
            allow_inf_nan=False,
            description="If there is nothing, wait up to so many seconds.",
        ),
    ] = 0,
) -> Response:
    """List published transitions and corrections behind a cursor, each once.

    Those of one customer come in order.
    """
    page = await service.page(after, limit, wait_s)
    return Response(_json(page), media_type="application/json", headers=_UNCACHED)


@router.get(
    "/changes/stream",
    response_class=EventStream,
    responses=problems(_INVALID, _EXPIRED, _TOO_MANY, also=_STREAM),
)
async def stream_changes(
    request: Request,
    service: Service,
    after: After = None,
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID", description="The last `id` seen: go on there, not at `after`."
        ),
    ] = None,
) -> EventStream:
    """Stream the same as server-sent events, for as long as the client listens."""
    cursor, field = (last_event_id, "Last-Event-ID") if last_event_id else (after, "after")
    return EventStream(
        service.stream(await service.start(cursor, field)), request.app.state.streams
    )


def _json(page: ChangeSlice) -> bytes:
    items = b",".join(change.body for change in page.changes)
    return b'{"items":[%b],"next":"%b","more":%b}' % (
        items,
        page.next.encode(),
        b"true" if page.more else b"false",
    )
