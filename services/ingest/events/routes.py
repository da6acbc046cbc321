"""Routes of events: accept them, and tell senders which types there are."""

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from services.ingest.events.schemas import Receipt, request_body
from services.ingest.events.service import EventService
from shared.events import schema
from shared.events.customer_ids import NO_CUSTOMERS, no_customers
from shared.http import ProblemKind, problems

router = APIRouter(prefix="/v1", tags=["events"])

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_NOTHING_ACCEPTED: Final[dict[str, Any]] = {
    "model": Receipt,
    "description": "No event of the request was accepted; the receipt says why.",
}
_RESPONSES: Final = problems(
    ProblemKind(
        400,
        "unreadable",
        "Nothing could be read: the body is neither an event nor an array of events.",
    ),
    ProblemKind(413, "too_many", "The array holds more than 1,000 events."),
    ProblemKind(422, "empty", "The array holds no event."),
    ProblemKind(
        503,
        "not_acknowledged",
        "Kafka did not acknowledge in time: nothing counts, send the same again.",
    ),
    also={422: _NOTHING_ACCEPTED},
)
_EXAMPLE: Final = {
    "product.used": schema.published("product.used", no_customers(frozenset(NO_CUSTOMERS)))
}


async def _service(request: Request) -> EventService:
    service: EventService = request.app.state.events
    return service


Service = Annotated[EventService, Depends(_service)]


@router.post(
    "/events",
    status_code=202,
    response_model=Receipt,
    openapi_extra=request_body(),
    responses=_RESPONSES,
)
async def accept_events(request: Request, service: Service) -> Response:
    """Accept one event or up to 1,000.

    Sending the same again is safe: the identity of an event is (subject, source, id).
    """
    return _answer(await _accept(request, service))


@router.get(
    "/event-types", responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}}
)
async def event_types(service: Service) -> dict[str, Any]:
    """Show the JSON Schema of every type of event that is taken here, by name."""
    return service.event_types()


async def _accept(request: Request, service: EventService) -> Receipt:
    return await service.accept(await request.body(), traceparent=_traceparent(request))


def _traceparent(request: Request) -> str | None:
    header = request.headers.get("traceparent", "")
    return header if _TRACEPARENT.fullmatch(header) else None


def _answer(receipt: Receipt) -> Response:
    return JSONResponse(receipt.model_dump(), 202 if receipt.accepted else 422)
