"""Reads records as the workers of all services do, and does all that follows without servers."""

import dataclasses
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, cast

import msgspec

from services.lifecycle.batch.arrivals import Arrivals
from services.lifecycle.batch.cache import CustomerCache
from services.lifecycle.batch.folds import Folds
from services.lifecycle.batch.merges import MergeFlow
from services.lifecycle.batch.recorder import Recorder
from services.lifecycle.batch.timers import Timers
from services.lifecycle.batch.work import Work as LifecycleWork
from services.lifecycle.events import read as read_in_lifecycle
from services.reactivation.announcements import messages_of
from services.reactivation.domain.cases import Lapse
from services.reactivation.domain.changes import find_changes
from services.reactivation.domain.fold import fold_history
from services.reactivation.domain.history import History, OrderEvent
from services.reactivation.domain.permissions import Permission
from services.reactivation.events import LapseUpdate
from services.reactivation.events import read as read_in_reactivation
from services.referral.events import read as read_in_referral
from shared.bounds import LAST_INSTANT
from shared.clock import CLOCK_START
from shared.kafka.topics import TOPICS
from shared.stream.batch import Batch, Portion, Read
from shared.stream.handler import Reader
from shared.stream.log.intake import Intake
from shared.stream.log.ownership import Checkpoint, Claim
from shared.stream.outgoing.outbox import Message
from tests.support.batches import SCHEDULE, EmptyDatabase
from tests.support.builders import day
from tests.support.foreign_records import Raw
from tests.support.referral_world import World
from tests.support.winback_lives import TERMS

REASONS: Final = frozenset({"undecodable", "wrong_partition", "unknown_type", "invalid_data"})
CONFLICTS: Final = frozenset({"conflicting_duplicate", "merge_cycle"})
READS: Final[tuple[Read, ...]] = (read_in_lifecycle, read_in_reactivation, read_in_referral)
NOW: Final = day(500)


@dataclass
class Record:
    """A record as the consumer hands it over."""

    topic: str
    value: bytes
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_700_000_000_000
    key: bytes | None = None


def follow(records: Sequence[Raw], loop: AbstractEventLoop) -> None:
    """Let every service read records, fold what it accepts, and read what the others make of it.

    Raises AssertionError if one of them would fail, park somebody, store what cannot be stored,
    or send what is no record.
    """
    told = [*loop.run_until_complete(_in_lifecycle(records)), *_in_reactivation(records)]
    told += _in_referral(records)
    for message in told:
        for read in READS:
            again = take_in([(message.topic, message.body)], read)
            assert not again.dead, (message, again.dead)


def take_in(records: Iterable[Raw], read: Read) -> Portion:
    """What a worker takes in of records that are all of one partition."""
    claim = Claim(0, 1, NOW, None, False, {topic: Checkpoint(0) for topic in TOPICS})
    intake = Intake({0: claim}, partitions=1, tick_topics=None, read=read)
    for topic in TOPICS:
        own = [value for each, value in records if each == topic]
        intake.add([Record(topic, value, offset=n) for n, value in enumerate(own)])
    portion = intake.next_batch().portions.get(0) or Portion(0, 1, NOW)
    assert {letter.reason for letter in portion.dead} <= REASONS
    expect_storable(portion.dead)
    return portion


async def _in_lifecycle(records: Sequence[Raw]) -> list[Message]:
    portion = take_in(records, read_in_lifecycle)
    unread = len(portion.dead)
    portion.tick = LAST_INSTANT
    reader = cast(Reader, EmptyDatabase())
    cache = CustomerCache(reader, customers=1000, events=10_000)
    work = LifecycleWork(Batch({0: portion}), SCHEDULE, Recorder(SCHEDULE))
    folds = Folds(reader, cache, work)
    merges = MergeFlow(reader, cache, folds, work, partitions=1)
    late = await folds.fold_on(await Arrivals(reader, cache, work).visits())
    await folds.fold_anew([visit for visit in late if not visit.is_moving])
    await merges.settle([visit for visit in late if visit.is_moving])
    await Timers(reader, cache, folds, work, limit=100).fire()
    work.finish()
    assert not work.newly_parked, [row.parked for row in work.customers]
    assert {letter.reason for letter in portion.dead[unread:]} <= REASONS | CONFLICTS
    recorder = work.recorder
    expect_storable(
        [work.events, work.timers, work.order_versions, work.remarks.rows, work.renewed_events,
         recorder.transitions, recorder.withdrawn, recorder.hints, recorder.counts.tallies,
         work.account_changes]
    )  # fmt: skip
    expect_storable([(row.value, row.since, row.causes) for row in work.customers])
    msgspec.json.decode(msgspec.json.encode(work.customers))
    return [*recorder.messages, *work.forwarded, *(hint.message for hint in recorder.hints)]


def _in_reactivation(records: Sequence[Raw]) -> list[Message]:
    portion = take_in(records, read_in_reactivation)
    by_customer: dict[str, list[Any]] = {}
    for incoming in portion.events:
        by_customer.setdefault(incoming.event.subject, []).append(incoming.content)
        expect_storable(incoming.content)
    messages: list[Message] = []
    for customer, contents in by_customer.items():
        history = _history(customer, contents)
        folded = fold_history(history, TERMS, LAST_INSTANT)
        expect_storable(folded)
        for change in find_changes(history, folded, NOW):
            messages += messages_of(change, 0, NOW)
    return messages


def _history(customer: str, contents: Iterable[object]) -> History:
    contents = list(contents)
    updates = [each for each in contents if isinstance(each, LapseUpdate)]
    return History(
        customer,
        tuple(
            Lapse(each.occurred_at, each.rule, each.phase)
            for update in updates
            for each in update.lapses
        ),
        tuple(each for each in contents if isinstance(each, OrderEvent)),
        tuple(each for each in contents if isinstance(each, Permission)),
    )


def _in_referral(records: Sequence[Raw]) -> list[Message]:
    portion = take_in(records, read_in_referral)
    world = World()
    for incoming in portion.events:
        expect_storable(incoming.content)
        world.apply([(incoming.topic, incoming.event)], CLOCK_START)
    told = [message for queue in world.under_way.values() for message in queue]
    world.deliver(Random(0), NOW, most=100)
    world.tick(LAST_INSTANT)
    expect_storable([world.claims, world.rewards, world.postings])
    for claim in world.claims.values():
        expect_storable(claim.touch.expires_at)
    return told


_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


def expect_storable(value: object) -> None:
    """Expect that PostgreSQL takes every text, number and instant in a value."""
    check = _CHECKS.get(type(value))
    if check is not None:
        check(value)
    for part in _parts(value):
        expect_storable(part)


def _parts(value: Any) -> Iterable[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if dataclasses.is_dataclass(value):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    return [getattr(value, name) for name in getattr(value, "__struct_fields__", ())]


def _check_text(text: Any) -> None:
    assert "\0" not in text
    assert len(text.encode()) < 5_000, "more than an index takes"


def _check_number(number: Any) -> None:
    assert -(2**63) <= number < 2**63


def _check_instant(instant: Any) -> None:
    assert instant.tzinfo is not None
    assert _EARLIEST <= instant.astimezone(UTC) <= LAST_INSTANT


_CHECKS: Final[dict[type, Callable[[Any], None]]] = {
    str: _check_text,
    int: _check_number,
    datetime: _check_instant,
}
