"""What ingest takes and answers; bodies are split by hand: `EventRequest` only documents them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from shared.events.catalogue import MODELS
from shared.events.fields import CustomerId, Id
from shared.http import Instant
from shared.http.openapi.document import SCHEMAS
from shared.instants import PATTERN


class EventRequest(BaseModel):
    """A CloudEvents 1.0 envelope; extension attributes are kept.

    `GET /v1/event-types` describes `data` for each type.
    """

    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"] = Field(description="The version of CloudEvents.")
    id: Id = Field(
        description="The sender's id of the event; the same when it is sent again.",
        examples=["o-1001"],
    )
    source: Id = Field(
        description="The sender. The identity of an event is (subject, source, id).",
        examples=["/shop"],
    )
    type: str = Field(
        description="What has happened: a type of the catalogue.",
        examples=["order.completed"],
        json_schema_extra={"enum": list(MODELS)},
    )
    subject: CustomerId | None = Field(
        default=None,
        description="The customer; control records have none.",
        examples=["customer-1"],
    )
    time: Annotated[Instant, WithJsonSchema({"type": "string", "pattern": PATTERN})] = Field(
        description="When it happened, not when it was sent, with a zone, in ISO 8601.",
        examples=["2024-05-01T12:00:00Z"],
    )
    data: dict[str, Any] = Field(
        default_factory=dict,
        description="By type; fields that the type does not know are kept.",
        examples=[{"order_id": "o-1001", "total": {"amount": 5990, "currency": "EUR"}}],
    )
    historical: bool = Field(
        default=False, description="Part of an import of history: nobody acts on it."
    )
    traceparent: str | None = Field(
        default=None,
        description="W3C trace context; without it, that of the request.",
        examples=["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
    )


class Rejection(BaseModel):
    """One event that was not accepted, by its place in the request."""

    index: int = Field(
        description="Its place among the events of the request, from 0.", examples=[1]
    )
    id: str | None = Field(
        description="The event's id, where one could be read.", examples=["o-1002"]
    )
    code: str = Field(
        description="Stable: unreadable, unknown_type, missing, no_zone, out_of_range, "
        "not_a_customer_id, invalid, reserved_type, not_supported_yet, time_in_future, "
        "clock_not_settable, too_large.",
        examples=["no_zone"],
    )
    field: str | None = Field(
        description="The field that is wrong; null: the event as a whole.", examples=["time"]
    )
    message: str = Field(
        description="What is wrong, for people.", examples=["must name its zone: Z or +02:00"]
    )


class Receipt(BaseModel):
    """How many events are in the log for good, and why the others are not."""

    accepted: Annotated[
        int,
        Field(description="Events that all replicas of the log have acknowledged.", examples=[1]),
    ]
    rejected: list[Rejection] = Field(description="The others, in the order of the request.")


def request_body() -> dict[str, Any]:
    """The body of a request, for the OpenAPI document: one event, or an array of them."""
    schema = EventRequest.model_json_schema()
    one = {"$ref": "#/components/schemas/Event"}
    many = {"type": "array", "minItems": 1, "maxItems": 1000, "items": one}
    event = {"specversion": "1.0"}
    for name, field in schema["properties"].items():
        if "examples" in field:
            event[name] = field["examples"][0]
    content = {
        "application/json": {"schema": {"anyOf": [many, one]}, "example": [event]},
        "application/cloudevents+json": {"schema": one, "example": event},
        "application/cloudevents-batch+json": {"schema": many, "example": [event]},
    }
    return {SCHEMAS: {"Event": schema}, "requestBody": {"required": True, "content": content}}
