"""All topics: keyed by customer, with equal numbers of partitions, never created by accident."""

import asyncio
from collections.abc import Iterable
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.clock import monotonic
from shared.errors import Misconfigured, Retryable

CUSTOMER_EVENTS: Final = "customer-events.v1"
PHASE_TRANSITIONS: Final = "phase-transitions.v1"
HINTS: Final = "hints.v1"
WINBACK_EVENTS: Final = "winback-events.v1"
REFERRAL_EVENTS: Final = "referral-events.v1"
TOPICS: Final = (CUSTOMER_EVENTS, PHASE_TRANSITIONS, HINTS, WINBACK_EVENTS, REFERRAL_EVENTS)

_APPEAR_S: Final = 10.0
CONFIG: Final = {
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": "-1",
    "max.message.bytes": "5242880",
}


async def create_missing(
    bootstrap: str, *, partitions: int, replication: int = 1
) -> dict[str, int]:
    """Create the topics that are missing; returns the number of partitions of each topic.

    Raises Misconfigured if a topic has another number of partitions, in which customers would be on
    other partitions.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        wanted = [NewTopic(name, partitions, replication, topic_configs=CONFIG) for name in TOPICS]
        response = await admin.create_topics(wanted)
        for name, code, message in response.topic_errors:
            if code not in (0, TopicAlreadyExistsError.errno):
                raise Misconfigured(
                    f"topic {name} could not be created: {for_code(code).__name__}: {message}"
                )
    finally:
        await admin.close()
    actual = await _wait_for_topics(bootstrap)
    other = {name: count for name, count in actual.items() if count != partitions}
    if other:
        raise Misconfigured(
            f"topics exist with other partition numbers than {partitions}: {other}; "
            "set STAMMKUNDE_PARTITIONS"
        )
    return actual


async def _wait_for_topics(bootstrap: str) -> dict[str, int]:
    # A broker acknowledges a topic before its own metadata shows the partitions.
    deadline = monotonic() + _APPEAR_S
    while len(found := await partitions_of(bootstrap, TOPICS)) < len(TOPICS):
        if monotonic() > deadline:
            raise Retryable(
                f"topics were created but do not appear: {sorted(set(TOPICS) - set(found))}"
            )
        await asyncio.sleep(0.05)
    return found


async def partitions_of(bootstrap: str, topics: Iterable[str]) -> dict[str, int]:
    """Return the number of partitions of each of the topics that exist."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found = await admin.describe_topics(sorted(topics))
    finally:
        await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in found if topic["partitions"]}
