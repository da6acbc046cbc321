"""Stammkunde ingest: what it takes and gives, and its operations.

Made from docs/openapi/ingest.json by `make documents`.
"""
# ruff: noqa: A002, E501, RUF100

from typing import Any, Literal, NotRequired, TypedDict

from shared.client.http import AsyncClient, Client


class Event(TypedDict):
    """A CloudEvents 1.0 envelope; extension attributes are kept. `GET /v1/event-types` describes `data` for each type."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: Literal[
        "customer.signed_up",
        "customer.updated",
        "customer.closed",
        "session.signed_in",
        "page.viewed",
        "message.opened",
        "message.clicked",
        "engagement.recorded",
        "checkout.started",
        "message.sent",
        "message.delivered",
        "message.bounced",
        "message.complained",
        "product.activated",
        "product.used",
        "order.completed",
        "order.updated",
        "order.refunded",
        "order.refund_withdrawn",
        "order.cancelled",
        "delivery.delayed",
        "contract.concluded",
        "contract.renewed",
        "contract.cancelled",
        "feedback.submitted",
        "feedback.answered",
        "complaint.opened",
        "complaint.answered",
        "complaint.resolved",
        "inquiry.opened",
        "inquiry.answered",
        "newsletter.subscribed",
        "newsletter.unsubscribed",
        "consent.granted",
        "consent.withdrawn",
        "contact.made",
        "customer.merged",
        "customer.unmerged",
        "customer.erasure_requested",
        "referral.succeeded",
        "referral.annulled",
        "clock.ticked",
        "import.started",
        "import.finished",
        "improvement.delivered",
    ]
    subject: NotRequired[str | None]
    time: str
    data: NotRequired[dict[str, Any]]
    historical: NotRequired[bool]
    traceparent: NotRequired[str | None]


class Rejection(TypedDict):
    """One event that was not accepted, by its place in the request."""

    index: int
    id: str | None
    code: str
    field: str | None
    message: str


class Receipt(TypedDict):
    """How many events are in the log for good, and why the others are not."""

    accepted: int
    rejected: list[Rejection]


class IngestClient(Client):
    """Its operations."""

    def accept_events(self, body: list[Event] | Event | bytes) -> Receipt:
        """Accept one event or up to 1,000.

        Sending the same again is safe: the identity of an event is (subject, source, id).
        """
        return self._call(Receipt, "POST", "/v1/events", body=body, also=[422])

    def event_types(self) -> dict[str, Any]:
        """Show the JSON Schema of every type of event that is taken here, by name."""
        return self._call(dict[str, Any], "GET", "/v1/event-types")


class AsyncIngestClient(AsyncClient):
    """Its operations."""

    async def accept_events(self, body: list[Event] | Event | bytes) -> Receipt:
        """Accept one event or up to 1,000.

        Sending the same again is safe: the identity of an event is (subject, source, id).
        """
        return await self._call(Receipt, "POST", "/v1/events", body=body, also=[422])

    async def event_types(self) -> dict[str, Any]:
        """Show the JSON Schema of every type of event that is taken here, by name."""
        return await self._call(dict[str, Any], "GET", "/v1/event-types")
