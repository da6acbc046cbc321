"""Judges events: which of a request are good, and what is wrong with the others."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.ingest.domain.acceptance import AcceptedEvent, Terms, reason_to_refuse
from services.ingest.events.schemas import Rejection
from services.ingest.settings import IngestSettings
from shared import clock
from shared.errors import FieldError
from shared.events import catalogue, segment
from shared.events.catalogue import InvalidEvent
from shared.events.customer_ids import no_customers
from shared.kafka.producer import MAX_EVENT


@dataclass(slots=True)
class Judgement:
    """The events of a request that are accepted, and those that are not."""

    accepted: list[AcceptedEvent] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


def judge(
    items: Sequence[bytes], settings: IngestSettings, *, traceparent: str | None = None
) -> Judgement:
    """Sort events into good and bad; a copy of an event is good, for senders may repeat them."""
    refused = no_customers(settings.no_customers)
    now = None if settings.clock is clock.ClockMode.LOG else clock.now()
    judgement = Judgement()
    for index, raw in enumerate(items):
        try:
            judgement.accepted.append(_understand(raw, Terms(now, refused), traceparent))
        except InvalidEvent as error:
            judgement.rejected.append(_rejection(index, raw, error))
    return judgement


def _understand(raw: bytes, terms: Terms, traceparent: str | None) -> AcceptedEvent:
    """An event of the catalogue, or a call that is translated into one. Raises InvalidEvent."""
    try:
        return _accept(raw, terms, traceparent)
    except InvalidEvent as error:
        call = segment.read(raw) if error.field_error.field == "type" else None
        if call is None:
            raise
    try:
        return _accept(call.event, terms, traceparent)
    except InvalidEvent as error:
        raise call.in_sender_terms(error) from None


def _accept(raw: bytes, terms: Terms, traceparent: str | None) -> AcceptedEvent:
    event, value = catalogue.canonical(raw)
    named = catalogue.named_customers(event)
    refusal = reason_to_refuse(event.type, event.time, named, terms)
    if refusal is not None:
        raise InvalidEvent(refusal.code, FieldError(refusal.field, refusal.message))
    if len(value) > MAX_EVENT:
        raise InvalidEvent("too_large", FieldError("", f"exceeds {MAX_EVENT} bytes"))
    return AcceptedEvent(event.type, event.subject or "", value, event.traceparent or traceparent)


def _rejection(index: int, raw: bytes, error: InvalidEvent) -> Rejection:
    wrong = error.field_error
    return Rejection(
        index=index,
        id=_id_of(raw),
        code=error.code,
        field=wrong.field or None,
        message=wrong.message,
    )


def _id_of(raw: bytes) -> str | None:
    """The id of an event, or of a call, that was not understood; None if it has none."""
    try:
        event = json.loads(raw)
        id = event["id"] if "id" in event else event["messageId"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return str(id).encode(errors="replace").decode()[:200]
