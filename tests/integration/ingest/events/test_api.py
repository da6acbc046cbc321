"""Ingest against a real Kafka: what a receipt says is what is in the log."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from services.ingest.app import create_app
from services.ingest.settings import IngestSettings
from shared.errors import Retryable
from shared.events import envelope
from shared.kafka.publisher import KafkaMessage, Publisher
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")

KEY: Final = {"Authorization": "Bearer key-of-the-tests"}
TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ALL: Final = [TopicPartition(CUSTOMER_EVENTS, n) for n in range(PARTITIONS)]


def event(subject: str, n: int = 0, **changes: object) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{subject}-{n}",
        "source": "/shop",
        "type": "page.viewed",
        "subject": subject,
        "time": "2024-05-01T12:00:00Z",
        **changes,
    }


def tick(n: int) -> dict[str, Any]:
    ticked = event("", n, type="clock.ticked", id=f"tick-{n}")
    del ticked["subject"]
    return ticked


def settings(bootstrap: str, **changes: object) -> IngestSettings:
    known: dict[str, object] = {
        "kafka_bootstrap": bootstrap,
        "api_key": "key-of-the-tests",
        "clock": "log",
    }
    return IngestSettings.model_validate(known | changes)


@asynccontextmanager
async def ingest(bootstrap: str, **changes: object) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings(bootstrap, **changes))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://ingest", headers=KEY, timeout=60
        ) as client,
    ):
        yield client


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with ingest(stack.bootstrap) as client:
        yield client


class Tail:
    """Reads what came into the log since the tail was made."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def records(self) -> list[ConsumerRecord]:
        """Everything between the last look and the end of the log now."""
        found: list[ConsumerRecord] = []
        ends = await self._consumer.end_offsets(ALL)
        while any([await self._consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await self._consumer.getmany(timeout_ms=500)).values():
                found += records
        return found


@pytest.fixture
async def tail(stack: Stack) -> AsyncIterator[Tail]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.bootstrap,
        enable_auto_commit=False,
        max_partition_fetch_bytes=6 * 1024 * 1024,
    )
    await consumer.start()
    try:
        consumer.assign(ALL)
        await consumer.seek_to_end(*ALL)
        for tp in ALL:
            await consumer.position(tp)
        yield Tail(consumer)
    finally:
        await consumer.stop()


async def test_what_is_accepted_is_in_the_log_under_its_customer(
    client: httpx.AsyncClient, tail: Tail
) -> None:
    subjects = ["plain", "a/b", "😀", "x" * 128, "顧客"] + [f"c{n}" for n in range(50)]
    answer = await client.post(
        "/v1/events", json=[event(s) for s in subjects], headers={"traceparent": TRACE}
    )
    assert (answer.status_code, answer.json()) == (202, {"accepted": len(subjects), "rejected": []})
    records = await tail.records()
    assert sorted(envelope.decode(r.value).subject for r in records) == sorted(subjects)
    choose = DefaultPartitioner()
    for record in records:
        assert record.key.decode() == envelope.decode(record.value).subject
        assert record.partition == choose(
            record.key, list(range(PARTITIONS)), list(range(PARTITIONS))
        )
        assert record.headers == (("traceparent", TRACE.encode()),)


async def test_a_track_call_is_in_the_log_as_the_event_that_it_means(
    client: httpx.AsyncClient, tail: Tail
) -> None:
    call = {
        "type": "track",
        "event": "Order Completed",
        "userId": "a/b 😀",
        "messageId": "m-1",
        "timestamp": "2024-05-01T14:00:00+02:00",
        "properties": {"order_id": "o-1", "total": 1.234, "currency": "KWD"},
    }
    wrong = call | {"properties": {"order_id": "o-2", "total": 1.2345, "currency": "KWD"}}
    answer = await client.post("/v1/events", json=[event("before"), call, wrong])
    assert answer.status_code == 202
    assert [(r["index"], r["id"], r["field"]) for r in answer.json()["rejected"]] == [
        (2, "m-1", "properties.total")
    ]
    (sent,) = [
        e for e in (envelope.decode(r.value) for r in await tail.records()) if e.source == "segment"
    ]
    assert (sent.subject, sent.id, sent.type, sent.time.isoformat()) == (
        "a/b 😀",
        "m-1",
        "order.completed",
        "2024-05-01T12:00:00+00:00",
    )
    assert json.loads(bytes(sent.data))["total"] == {"amount": 1234, "currency": "KWD"}


async def test_a_single_event_and_every_content_type_will_do(
    client: httpx.AsyncClient, tail: Tail
) -> None:
    body = json.dumps(event("c", traceparent="00-of-the-event")).encode()
    for kind in (
        "application/cloudevents+json",
        "application/json; charset=utf-8",
        "text/plain",
        "",
    ):
        answer = await client.post("/v1/events", content=body, headers={"content-type": kind})
        assert answer.status_code == 202, kind
    assert [r.headers for r in await tail.records()] == [(("traceparent", b"00-of-the-event"),)] * 4


async def test_the_receipt_names_what_was_refused(client: httpx.AsyncClient, tail: Tail) -> None:
    answer = await client.post(
        "/v1/events", json=[event("c", 1), event("c", 2, type="no.such"), event("c", 1)]
    )
    assert answer.status_code == 202
    assert answer.json() == {
        "accepted": 2,
        "rejected": [
            {
                "index": 1,
                "id": "c-2",
                "code": "unknown_type",
                "field": "type",
                "message": "is not a type of the catalogue",
            }
        ],
    }
    assert [envelope.decode(r.value).id for r in await tail.records()] == ["c-1", "c-1"]


async def test_a_request_without_a_good_event_leaves_nothing(
    client: httpx.AsyncClient, tail: Tail
) -> None:
    refused = await client.post("/v1/events", json=event("c", time="2024-05-01T12:00:00"))
    assert refused.status_code == 422
    assert refused.json()["accepted"] == 0
    assert refused.json()["rejected"][0]["code"] == "no_zone"
    assert (await client.post("/v1/events", json=[])).json()["code"] == "empty"
    assert (await client.post("/v1/events", content=b"{")).status_code == 400
    assert (await client.post("/v1/events", json=[event("c")] * 1001)).status_code == 413
    assert (
        await client.post("/v1/events", content=b" " * (5 * 1024 * 1024 + 1))
    ).status_code == 413
    assert (
        await client.post("/v1/events", json=event("c"), headers={"Authorization": "no"})
    ).status_code == 401
    assert (await client.post("/v1/events?dry=1", json=event("c"))).status_code == 422
    assert await tail.records() == []


async def test_a_tick_stands_between_what_came_before_and_after_on_every_partition(
    client: httpx.AsyncClient, tail: Tail
) -> None:
    before, after = ([event(f"c{n}", round_) for n in range(200)] for round_ in (1, 2))
    answer = await client.post("/v1/events", json=[*before, tick(1), *after])
    assert answer.json() == {"accepted": 401, "rejected": []}
    seen: dict[int, list[str]] = {}
    for record in await tail.records():
        seen.setdefault(record.partition, []).append(envelope.decode(record.value).id.split("-")[1])
    assert len(seen) == PARTITIONS
    for rounds in seen.values():
        middle = rounds.index("1", rounds.count("1") - 1)
        assert rounds == sorted(rounds)
        assert middle


async def test_order_per_customer_is_kept_across_requests_of_one_sender(
    client: httpx.AsyncClient, tail: Tail
) -> None:
    for n in range(0, 300, 100):
        await client.post("/v1/events", json=[event(f"c{i % 7}", n + i) for i in range(100)])
    seen: dict[str, list[int]] = {}
    for record in await tail.records():
        decoded = envelope.decode(record.value)
        seen.setdefault(decoded.subject, []).append(int(decoded.id.split("-")[1]))
    assert sum(map(len, seen.values())) == 300
    assert all(numbers == sorted(numbers) for numbers in seen.values())


async def test_an_event_may_be_nearly_as_large_as_a_request(
    client: httpx.AsyncClient, tail: Tail
) -> None:
    note = "x" * (5 * 1024 * 1024 - 32 * 1024)
    assert (
        await client.post("/v1/events", json=event("c", data={"note": note}))
    ).status_code == 202
    assert [len(r.value) > len(note) for r in await tail.records()] == [True]


async def test_without_kafka_the_sender_is_told_to_come_back() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with ingest(f"127.0.0.1:{unused.getsockname()[1]}", publish_timeout_s=0.5) as client:
            answer = await client.post("/v1/events", json=event("c"))
            assert (answer.status_code, answer.json()["code"]) == (503, "not_acknowledged")
            assert int(answer.headers["retry-after"]) >= 1
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/livez")).status_code == 200


async def test_a_broker_that_hangs_costs_a_time_out_and_nothing_else(
    stack: Stack, tail: Tail
) -> None:
    async with ingest(stack.bootstrap, publish_timeout_s=1) as client:
        assert (await client.post("/v1/events", json=event("c", 1))).status_code == 202
        os.kill(stack.kafka.pid, signal.SIGSTOP)
        try:
            answer = await client.post("/v1/events", json=event("c", 2))
        finally:
            os.kill(stack.kafka.pid, signal.SIGCONT)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_acknowledged")

        async def sent_again() -> bool:
            return (await client.post("/v1/events", json=event("c", 2))).status_code == 202

        await eventually(sent_again, what="the same event is accepted once the broker goes on")
    ids = [envelope.decode(r.value).id for r in await tail.records()]
    assert ids[0] == "c-1"
    assert set(ids) == {"c-1", "c-2"}


async def test_a_batch_that_kafka_refuses_does_not_spoil_those_after_it(stack: Stack) -> None:
    publisher = Publisher(
        stack.bootstrap,
        client_id="test",
        topic=CUSTOMER_EVENTS,
        partitions=PARTITIONS,
        timeout_s=10,
    )
    for _ in range(2):
        await publisher.publish([KafkaMessage(0, b"c", b"{}")])
        with pytest.raises(Retryable):
            await publisher.publish([KafkaMessage(0, b"c", b"x" * (5 * 1024 * 1024 + 500))])
    await publisher.publish([KafkaMessage(0, b"c", b"{}")])
    await publisher.close()


async def test_another_number_of_partitions_is_noticed_before_anything_is_sent(
    stack: Stack, tail: Tail
) -> None:
    async with ingest(stack.bootstrap, partitions=5) as client:
        assert (await client.post("/v1/events", json=event("c"))).status_code == 503
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert "12 partitions instead of 5" in ready.json()["detail"]
    async with ingest(stack.bootstrap) as client:
        assert (await client.get("/readyz")).status_code == 200
    assert await tail.records() == []


async def test_the_process_finishes_its_requests_and_ends_with_zero(
    stack: Stack, tail: Tail
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "STAMMKUNDE_KAFKA_BOOTSTRAP": stack.bootstrap,
        "STAMMKUNDE_API_KEY": "key-of-the-tests",
        "STAMMKUNDE_PORT": str(port),
    }
    command = [sys.executable, "-m", "services.ingest.app"]
    process = subprocess.Popen(command, env=environment)  # noqa: ASYNC220
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=KEY) as client:

            async def ready() -> bool:
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx.ConnectError:
                    return False

            await eventually(ready, what="ingest is ready")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            body = json.dumps(event("last")).encode()
            head = (
                "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-of-the-tests\r\n"
                f"Content-Length: {len(body)}"
            )
            writer.write(f"{head}\r\n\r\n".encode() + body[:10])
            await writer.drain()
            await client.get("/livez")
        process.send_signal(signal.SIGTERM)
        await eventually(lambda: _refuses(port), what="no new connections")
        writer.write(body[10:])
        assert b" 202 " in await reader.readline()
        writer.close()
        assert await asyncio.to_thread(process.wait, 10) == 0
    finally:
        process.kill()
        process.wait()
    assert [envelope.decode(r.value).id for r in await tail.records()] == ["last-0"]


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
