"""Records that nobody checked stand between good ones: a worker sets them aside and goes on.

Each test runs the worker of one service on the same topics.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from services.referral.events import REWARD_DETERMINED
from shared.bounds import DEEPEST, LAST_INSTANT
from shared.kafka.topics import (
    CUSTOMER_EVENTS,
    PHASE_TRANSITIONS,
    REFERRAL_EVENTS,
    WINBACK_EVENTS,
)
from tests.support import reactivation_worker, referral_worker
from tests.support.builders import encode, event, order, tick
from tests.support.foreign_records import REVISION
from tests.support.lifecycle_worker import on, orders_of, worker
from tests.support.pipeline import publish, rows, settled
from tests.support.reactivation_worker import changed
from tests.support.referral_codes import code_of
from tests.support.server_stack import Stack

PARTITION: Final = 3
ADA: Final = on(PARTITION, "ada")
EVE: Final = on(PARTITION, "eve")
"""All that she does lies at the last instant and at the highest price."""
KIM: Final = on(PARTITION, "kim")
STRANGER: Final = on(4, "stranger")
TOPICS: Final = (CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS, WINBACK_EVENTS)
LONG_HEADERS: Final = [("traceparent", b"x" * 50_000), ("x" * 50_000, b"")]
DATA: Final = encode(order(ADA, 5, note="#"))


def signed_up(**changes: object) -> bytes:
    """A sign-up with a code, changed."""
    return encode({**event(ADA, "customer.signed_up", 5, referral_code=code_of("ann")), **changes})


def noted(note: str) -> bytes:
    """An order with raw JSON in a field that nobody reads."""
    return DATA.replace(b'"#"', note.encode())


AWFUL: Final[dict[str, tuple[bytes | None, str]]] = {
    "no value": (None, "undecodable"),
    "no JSON": (b"{", "undecodable"),
    "no UTF-8": (DATA.replace(b"#", b"\xff"), "undecodable"),
    "a long id": (signed_up(id="x" * 6_000), "undecodable"),
    "a long subject": (signed_up(subject="x" * 6_000), "undecodable"),
    "a blank subject": (signed_up(subject=" "), "undecodable"),
    "the year 9999": (signed_up(time="9999-12-31T23:59:59Z"), "undecodable"),
    "the year 1": (signed_up(time="0001-01-01T00:00:00+23:00"), "undecodable"),
    "no zone": (signed_up(time="2024-01-05T12:00:00"), "undecodable"),
    "U+0000": (noted(r'"a\u0000b"'), "undecodable"),
    "a lone surrogate": (noted(r'"\ud800"'), "undecodable"),
    "NaN": (noted("NaN"), "undecodable"),
    "a number that no double holds": (noted("1e400"), "undecodable"),
    "a number of 5,000 digits": (noted("9" * 5_000), "undecodable"),
    "too many levels": (noted("[" * DEEPEST + "]" * DEEPEST), "undecodable"),
    "levels beyond counting": (noted("[" * 100_000 + "]" * 100_000), "undecodable"),
    "data of a wrong type": (signed_up(source=["x"]), "undecodable"),
    "the key of somebody else": (encode(order(STRANGER, 5)), "wrong_partition"),
    "no subject": (signed_up(subject=""), "wrong_partition"),
}
"""Refused on every topic by every service."""


class OwnData(NamedTuple):
    """A record of one topic whose data some services read, and refuse."""

    topic: str
    record: dict[str, Any]
    refused_by: tuple[str, ...]


def _own_data() -> Iterator[OwnData]:
    everybody = ("lifecycle", "reactivation", "referral")
    downstream = ("reactivation", "referral")
    for amount in (2**53 + 1, 2**63, "5000", -1):
        total = {"amount": amount, "currency": "EUR"}
        yield OwnData(CUSTOMER_EVENTS, order(ADA, 5, total=total), everybody)
    deep = msgspec.Raw(b"[" * 90 + b"]" * 90)
    whole = {"amount": 1000.5, "currency": "EUR"}
    yield OwnData(CUSTOMER_EVENTS, order(ADA, 5, total=whole, note=deep), everybody)
    yield OwnData(CUSTOMER_EVENTS, event(ADA, "customer.merged", 5, into="a\nb"), everybody)
    named = event(ADA, "customer.signed_up", 5, referral_code="x" * 6_000)
    yield OwnData(CUSTOMER_EVENTS, named, ("referral",))
    for at in ("9999-12-31T23:59:59-05:00", "2024-01-05T12:00:00"):
        move = changed(KIM, 1, 300)
        move["data"]["occurred_at"] = at
        yield OwnData(PHASE_TRANSITIONS, move, downstream)
    move = changed(KIM, 2**63, 300)
    yield OwnData(PHASE_TRANSITIONS, move, ("reactivation",))
    determined = event(ADA, REWARD_DETERMINED, 5)
    for change in ({"revision": 2**63}, {"earner": "x" * 6_000}):
        refused = {**determined, "data": {**REVISION, **change}}
        yield OwnData(REFERRAL_EVENTS, refused, ("referral",))
    succeeded = event(ADA, "referral.succeeded", 5, referee="x" * 6_000)
    yield OwnData(REFERRAL_EVENTS, succeeded, ("lifecycle",))


OWN_DATA: Final = list(_own_data())


def good() -> Iterator[tuple[str, bytes]]:
    """What stands behind the others: it is read by everybody who reads its topic."""
    total = {"amount": 2**53, "currency": "EUR"}
    last = order(EVE, LAST_INSTANT, id="o-1", total=total, return_window_days=3650)
    named = event(EVE, "customer.signed_up", LAST_INSTANT, referral_code=code_of("ann"))
    yield from ((CUSTOMER_EVENTS, encode(each)) for each in (order(ADA, 1), named, last))
    again = order(EVE, LAST_INSTANT, id="o-2", total=total)
    yield CUSTOMER_EVENTS, encode(again)
    yield PHASE_TRANSITIONS, encode(changed(KIM, 1, 300))


@pytest.fixture(scope="module", autouse=True)
async def _published(stack: Stack, fresh_topics: None) -> None:  # noqa: ARG001  (for its effect)
    """All records on one partition, with long headers, between good ones; then a last tick."""
    await publish(stack.bootstrap, [order(ADA, 0)])
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    await producer.start()

    async def send(topic: str, value: bytes | None) -> None:
        await producer.send_and_wait(
            topic, value, key=ADA.encode(), partition=PARTITION, headers=LONG_HEADERS
        )

    for topic in TOPICS:
        for value, _ in AWFUL.values():
            await send(topic, value)
    for own in OWN_DATA:
        await send(own.topic, encode(own.record))
    for topic, value in good():
        await send(topic, value)
    await producer.stop()
    for topic in (CUSTOMER_EVENTS, PHASE_TRANSITIONS):
        await publish(stack.bootstrap, [tick(LAST_INSTANT)], topic=topic)


async def expect_letters(database: str, service: str, *topics: str) -> None:
    """Expect a dead letter of every record that the service refuses, and nobody parked."""
    expected = Counter({(topic, reason): 0 for topic in topics for _, reason in AWFUL.values()})
    expected.update((topic, reason) for topic in topics for _, reason in AWFUL.values())
    expected.update((own.topic, "invalid_data") for own in OWN_DATA if service in own.refused_by)
    found = await rows(database, f"SELECT topic, reason FROM {service}.dead_letter")
    assert Counter(tuple(row) for row in found) == expected
    stopped = f"SELECT 1 FROM {service}.checkpoint WHERE stopped IS NOT NULL"
    assert not await rows(database, stopped)


async def test_lifecycle_goes_on_behind_them(stack: Stack, database: str) -> None:
    async with worker(stack, database):
        await settled(stack, database, "lifecycle")
    await expect_letters(database, "lifecycle", CUSTOMER_EVENTS, REFERRAL_EVENTS)
    assert await orders_of(database, ADA) == 2
    found = await rows(
        database,
        "SELECT orders, value FROM (SELECT (state::jsonb ->> 'orders')::int AS orders, value"
        " FROM lifecycle.customer WHERE customer = $1 AND parked IS NULL) AS c",
        EVE,
    )
    assert [tuple(row) for row in found] == [(2, 2**54)]


async def test_reactivation_goes_on_behind_them(stack: Stack, database: str) -> None:
    await reactivation_worker.run(stack, database)
    topics = (CUSTOMER_EVENTS, PHASE_TRANSITIONS, WINBACK_EVENTS)
    await expect_letters(database, "reactivation", *topics)
    cases = await rows(database, "SELECT customer FROM reactivation.winback_case")
    assert KIM in [row["customer"] for row in cases]
    assert not await rows(database, "SELECT 1 FROM reactivation.customer WHERE parked IS NOT NULL")
    orders = await rows(database, "SELECT customer FROM reactivation.order_event ORDER BY 1")
    assert [row["customer"] for row in orders] == [ADA, ADA, EVE, EVE]


async def test_referral_goes_on_behind_them(stack: Stack, database: str) -> None:
    await referral_worker.run(stack, database, [])
    topics = (CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS)
    await expect_letters(database, "referral", *topics)
    assert not await rows(database, "SELECT 1 FROM referral.member WHERE parked IS NOT NULL")
    claims = await rows(database, "SELECT referee, expires_at FROM referral.claim")
    assert [tuple(row) for row in claims] == [(EVE, LAST_INSTANT)]
