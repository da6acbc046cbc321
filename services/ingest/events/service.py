"""The use case of events: split a body, judge its events, publish the good ones, and report."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from services.ingest.domain.acceptance import AcceptedEvent, is_taken, split_into_stages
from services.ingest.events.body import split_body
from services.ingest.events.judgement import Judgement, judge
from services.ingest.events.schemas import Receipt
from services.ingest.settings import IngestSettings
from shared import metrics
from shared.clock import ClockMode
from shared.errors import Problem, Retryable
from shared.events import schema
from shared.events.catalogue import MODELS
from shared.events.customer_ids import no_customers
from shared.events.envelope import CONTROL
from shared.ids import partition_of
from shared.kafka.publisher import KafkaMessage, Publisher


class EventService:
    """Accepts requests."""

    def __init__(self, settings: IngestSettings, publisher: Publisher) -> None:
        self._settings = settings
        self._publisher = publisher

    def event_types(self) -> dict[str, Any]:
        """The JSON Schema of every type of event that this deployment takes, by name."""
        refused = no_customers(self._settings.no_customers)
        in_log_time = self._settings.clock is ClockMode.LOG
        return {
            name: schema.published(name, refused)
            for name in MODELS
            if is_taken(name, in_log_time=in_log_time)
        }

    async def accept(self, body: bytes, *, traceparent: str | None = None) -> Receipt:
        """Publish the good events of a body; all replicas have those that the receipt counts.

        Raises Problem 503 "not_acknowledged" when Kafka does not answer in time: then none counts.
        """
        judgement = judge(split_body(body), self._settings, traceparent=traceparent)
        try:
            for stage in split_into_stages(judgement.accepted):
                messages = [message for event in stage for message in self._messages(event)]
                await self._publisher.publish(messages)
        except Retryable as error:
            raise Problem(
                503, "not_acknowledged", f"{error}; send the same again.", retry_after=2
            ) from error
        _count(judgement)
        return Receipt(accepted=len(judgement.accepted), rejected=judgement.rejected)

    def _messages(self, event: AcceptedEvent) -> Iterator[KafkaMessage]:
        """A control record goes to every partition, an event to that of its customer."""
        trace = event.traceparent.encode() if event.traceparent else None
        partitions = self._settings.partitions
        if event.type in CONTROL:
            for partition in range(partitions):
                yield KafkaMessage(partition, None, event.value, trace)
        else:
            partition = partition_of(event.subject, partitions)
            yield KafkaMessage(partition, event.subject.encode(), event.value, trace)


def _count(judgement: Judgement) -> None:
    for kind, n in Counter(event.type for event in judgement.accepted).items():
        metrics.EVENTS_ACCEPTED.labels(kind).inc(n)
    for code, n in Counter(rejection.code for rejection in judgement.rejected).items():
        metrics.EVENTS_REJECTED.labels(code).inc(n)
