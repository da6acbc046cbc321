"""One request: split the body, judge each event, publish what is good, write the receipt."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from services.ingest.domain.acceptance import MAX_EVENTS, Accepted, refusal, stages
from services.ingest.events.schemas import Receipt, Rejection
from services.ingest.settings import IngestSettings
from shared import clock, metrics
from shared.errors import FieldError, Problem, Retryable
from shared.events import catalogue, segment
from shared.events.catalogue import Refused
from shared.events.envelope import CONTROL
from shared.ids import partition_of
from shared.kafka import producer as kafka
from shared.kafka.publisher import Message, Publisher

_split: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_ONE: Final = b"{"
_BLANK: Final = b" \t\r\n"


@dataclass(slots=True)
class Judgement:
    """What of a request is good, and what is not."""

    accepted: list[Accepted] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


def read(body: bytes) -> list[bytes]:
    """The events of a body, each still JSON. Raises Problem (400 unreadable, 413 too_many, 422 empty)."""
    if body.lstrip(_BLANK)[:1] == _ONE:
        _well_formed(body)
        return [body]
    items = _items(body)
    if not items:
        raise Problem(422, "empty", "The array holds no event.")
    if len(items) > MAX_EVENTS:
        raise Problem(413, "too_many", f"A request has at most {MAX_EVENTS} events.")
    return items


def _well_formed(body: bytes) -> None:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        _slowly(body)


def _items(body: bytes) -> list[bytes]:
    try:
        return [bytes(item) for item in _split(body)]
    except (msgspec.DecodeError, RecursionError):
        found = _slowly(body)
    if not isinstance(found, list):
        raise Problem(400, "unreadable", "The body must be one event or an array of events.")
    return [json.dumps(item).encode() for item in found]


def _slowly(body: bytes) -> object:
    """Read what the fast decoder gives up on as a whole though only one event is bad: lone surrogates."""
    try:
        return json.loads(body.decode(), parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "unreadable", "The body is not JSON.") from error


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def judge(
    items: Sequence[bytes], settings: IngestSettings, *, traceparent: str | None = None
) -> Judgement:
    """Sort events into good and bad. Copies are not looked for: the same event may be sent again."""
    now = None if settings.clock is clock.ClockMode.LOG else clock.now()
    found = Judgement()
    for index, raw in enumerate(items):
        try:
            found.accepted.append(_understood(raw, now, traceparent))
        except Refused as refused:
            found.rejected.append(_rejection(index, raw, refused))
    return found


def _understood(raw: bytes, now: datetime | None, traceparent: str | None) -> Accepted:
    """An event of the catalogue, or a call that is translated into one. Raises Refused."""
    try:
        return _accepted(raw, now, traceparent)
    except Refused as refused:
        call = segment.read(raw) if refused.error.field == "type" else None
        if call is None:
            raise
    try:
        return _accepted(call.event, now, traceparent)
    except Refused as refused:
        raise call.in_its_words(refused) from None


def _accepted(raw: bytes, now: datetime | None, traceparent: str | None) -> Accepted:
    event, value = catalogue.canonical(raw)
    no = refusal(event.type, event.time, now=now)
    if no is not None:
        raise Refused(no.code, FieldError(no.field, no.message))
    if len(value) > kafka.MAX_EVENT:
        raise Refused("too_large", FieldError("", f"exceeds {kafka.MAX_EVENT} bytes"))
    return Accepted(event.type, event.subject or "", value, event.traceparent or traceparent)


def _rejection(index: int, raw: bytes, refused: Refused) -> Rejection:
    wrong = refused.error
    return Rejection(
        index=index,
        id=_id_of(raw),
        code=refused.code,
        field=wrong.field or None,
        message=wrong.message,
    )


def _id_of(raw: bytes) -> str | None:
    try:
        event = json.loads(raw)
        return (
            str(event["id"] if "id" in event else event["messageId"])
            .encode(errors="replace")
            .decode()[:200]
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


class Ingest:
    """Accepts requests, as many bytes at a time as the settings allow."""

    def __init__(self, settings: IngestSettings, publisher: Publisher) -> None:
        self._settings = settings
        self._publisher = publisher
        self._in_flight = 0

    @contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        """Hold `size` bytes of the budget. Raises Problem(503, "overloaded") when it is spent."""
        if self._in_flight + size > self._settings.in_flight_bytes:
            raise Problem(
                503, "overloaded", "Too much is under way; send the same again.", retry_after=1
            )
        self._in_flight += size
        metrics.PUBLISH_IN_FLIGHT.set(self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= size
            metrics.PUBLISH_IN_FLIGHT.set(self._in_flight)

    async def accept(self, body: bytes, *, traceparent: str | None = None) -> Receipt:
        """The receipt of a request; what it counts as accepted is acknowledged by all replicas.

        Raises Problem(503, "not_acknowledged") when Kafka does not answer in time: then nothing counts.
        """
        judgement = judge(read(body), self._settings, traceparent=traceparent)
        try:
            for stage in stages(judgement.accepted):
                await self._publisher.publish([m for event in stage for m in self._messages(event)])
        except Retryable as error:
            raise Problem(
                503, "not_acknowledged", f"{error}; send the same again.", retry_after=2
            ) from error
        _count(judgement)
        return Receipt(accepted=len(judgement.accepted), rejected=judgement.rejected)

    def _messages(self, event: Accepted) -> Iterator[Message]:
        trace = event.traceparent.encode() if event.traceparent else None
        partitions = self._settings.partitions
        if event.type in CONTROL:
            yield from (
                Message(partition, None, event.value, trace) for partition in range(partitions)
            )
        else:
            yield Message(
                partition_of(event.subject, partitions), event.subject.encode(), event.value, trace
            )


def _count(judgement: Judgement) -> None:
    for kind, n in Counter(event.type for event in judgement.accepted).items():
        metrics.EVENTS_ACCEPTED.labels(kind).inc(n)
    for code, n in Counter(rejection.code for rejection in judgement.rejected).items():
        metrics.EVENTS_REJECTED.labels(code).inc(n)
