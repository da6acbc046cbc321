"""Whether a log is the one that a checkpoint knows: of its length, with the same last record."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition

from shared import metrics
from shared.errors import Retryable
from shared.stream.log.last_record import LastRecord, last_record
from shared.stream.log.ownership import Checkpoint, TopicPartition

Offsets = Mapping[KafkaPartition, int]
"""An offset for each topic's partition."""

RESET_HINT: Final = "see `stammkunde checkpoints reset --help`"
_WAIT_MS: Final = 200
_COMPARED_S: Final = 30.0


async def reasons_to_stop(
    bootstrap: str, checkpoints: Mapping[KafkaPartition, Checkpoint], first: Offsets, end: Offsets
) -> dict[TopicPartition, str]:
    """Return why topics' partitions must stop, for those whose log is not the one we know.

    `first` and `end` span each log. Where the last record applied has left the log by its
    beginning, nothing can be compared. Raises Retryable if Kafka does not show a record.
    """
    reasons = {}
    to_compare = {}
    for tp, checkpoint in checkpoints.items():
        if not first[tp] <= checkpoint.next_offset <= end[tp]:
            reasons[tp.topic, tp.partition] = (
                f"checkpoint {checkpoint.next_offset} of {tp.topic} {tp.partition} lies outside "
                f"the log ({first[tp]} … {end[tp]}); {RESET_HINT}"
            )
        elif checkpoint.last is None:
            continue
        elif checkpoint.last.offset < first[tp]:
            metrics.LOGS_NOT_COMPARED.labels(tp.topic).inc()
        else:
            to_compare[tp] = checkpoint.last
    return reasons | await _other_logs(bootstrap, to_compare, end)


async def _other_logs(
    bootstrap: str, known: Mapping[KafkaPartition, LastRecord], end: Offsets
) -> dict[TopicPartition, str]:
    """Return the reason for each log that has another record where the known one was."""
    if not known:
        return {}
    found = await _read(bootstrap, known, end)
    return {
        (tp.topic, tp.partition): (
            f"{tp.topic} {tp.partition} is another log than before: its record {last.offset} is "
            f"not the one that was applied; {RESET_HINT}"
        )
        for tp, last in known.items()
        if found[tp] != last
    }


async def _read(
    bootstrap: str, known: Mapping[KafkaPartition, LastRecord], end: Offsets
) -> dict[KafkaPartition, LastRecord | None]:
    """Read the records at the known offsets, outside the consumer group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=8 << 20,  # more than a topic's max.message.bytes
        fetch_max_bytes=32 << 20,
        fetch_max_wait_ms=_WAIT_MS,
    )
    await consumer.start()
    try:
        consumer.assign(list(known))
        for tp, last in known.items():
            consumer.seek(tp, last.offset)
        async with asyncio.timeout(_COMPARED_S):
            return {tp: await _next_record(consumer, tp, end[tp]) for tp in known}
    except TimeoutError as error:
        raise Retryable("Kafka does not show the records that were applied last") from error
    finally:
        await consumer.stop()


async def _next_record(
    consumer: AIOKafkaConsumer, tp: KafkaPartition, end: int
) -> LastRecord | None:
    """Return the next record of a partition; None if up to its end there are only markers."""
    while True:
        fetched: Mapping[Any, list[Any]] = await consumer.getmany(
            tp, timeout_ms=_WAIT_MS, max_records=1
        )
        for records in fetched.values():
            return last_record(records[0])
        if await consumer.position(tp) >= end:
            return None
