"""Changes over HTTP while a real worker publishes them: pages, long polls, streams, old cursors."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.lifecycle.app import create_app
from services.lifecycle.changes import cursor, routes
from services.lifecycle.changes import repository as queries
from services.lifecycle.changes.positions import Change
from services.lifecycle.changes.retention import ChangeRetention
from services.lifecycle.changes.schemas import ChangePage
from services.lifecycle.changes.service import ChangeService
from shared import clock
from shared.clock import monotonic
from shared.database import connection as db
from shared.database.connection import Pool
from shared.http import serve_within, streams
from shared.kafka.topics import PHASE_TRANSITIONS
from tests.support.builders import encode, event, order, tick
from tests.support.fresh_servers import (
    PARTITIONS,
    as_migrator,
    drop_database,
    eventually,
    make_database,
)
from tests.support.lifecycle_worker import worker
from tests.support.pipeline import by_partition, publish, settled, worker_settings
from tests.support.server_stack import Stack

Api = httpx.AsyncClient
CROWD = [f"customer-{n}" for n in range(40)]
NO_KAFKA = "127.0.0.1:1"


@asynccontextmanager
async def served(database: str, stop: asyncio.Event) -> AsyncIterator[tuple[Api, FastAPI]]:
    """The API behind a real server; it needs no Kafka."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = worker_settings(Stack(NO_KAFKA, database), database, port=port)
    app = create_app(settings)
    serving = asyncio.create_task(serve_within(app, settings, stop))
    try:
        async with Api(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": "Bearer key-of-the-tests"},
            timeout=40,
        ) as client:
            await eventually(lambda: answers(client), what="the server listens")
            yield client, app
    finally:
        stop.set()
        await serving


async def answers(client: Api) -> bool:
    try:
        return (await client.get("/livez")).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
async def api(stack: Stack, database: str, fresh_topics: None) -> AsyncIterator[Api]:  # noqa: ARG001
    """One worker and one API process for the whole module."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def live() -> None:
        async with worker(stack, database), served(database, asyncio.Event()) as (client, _):
            ready.set_result(client)
            await stop.wait()

    living = asyncio.create_task(live())
    await asyncio.wait([living, ready], return_when=asyncio.FIRST_COMPLETED)
    yield ready.result()
    stop.set()
    await living


async def page(client: Api, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/changes", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def items(client: Api, **query: Any) -> list[dict[str, Any]]:
    """Everything behind a cursor, page by page."""
    found, more = list[dict[str, Any]](), True
    while more:
        part = await page(client, **query)
        found += part["items"]
        query["after"], more = part["next"], part["more"]
    return found


async def test_everything_published_is_read_once_and_in_order_while_more_is_written(
    stack: Stack, database: str, api: Api
) -> None:
    read, finished = list[dict[str, Any]](), asyncio.Event()

    async def follow() -> None:
        after: dict[str, str] = {}
        while True:
            over = finished.is_set()
            part = await page(api, limit=7, wait_s=0.1, **after)
            read.extend(part["items"])
            after = {"after": part["next"]}
            if over and not part["more"]:
                return

    following = asyncio.create_task(follow())
    for wave in range(6):
        await publish(
            stack.bootstrap, [*(order(c, wave * 30) for c in CROWD[wave::2]), tick(wave * 30 + 1)]
        )
    await publish(stack.bootstrap, [*(order(c, 95) for c in CROWD[::5]), tick(300)])
    await settled(stack, database, "lifecycle")
    finished.set()
    await following

    records = await by_partition(stack.bootstrap, PHASE_TRANSITIONS)
    published = [[record for record in found if record.subject] for found in records.values()]
    assert sum(map(bool, published)) > 6, "several partitions"
    place = {
        record.id: (partition, n)
        for partition, found in enumerate(published)
        for n, record in enumerate(found)
    }
    assert sorted(place[item["id"]] for item in read) == sorted(place.values()), "each once"
    by_place = [place[item["id"]] for item in read]
    for partition in range(len(published)):
        numbers = [n for p, n in by_place if p == partition]
        assert numbers == list(range(len(numbers))), "in the order of the topic"
    data = {record.id: json.loads(bytes(record.data)) for found in published for record in found}
    assert all(item["data"] == data[item["id"]] for item in read)
    ChangePage.model_validate({"items": read, "next": "", "more": False})
    assert {item["type"] for item in read} == {"phase.changed", "phase.corrected"}
    for customer in CROWD:
        versions = [item["data"]["version"] for item in read if item["subject"] == customer]
        assert versions == list(range(1, len(versions) + 1))
    again = await items(api, limit=25)
    assert sorted(again, key=lambda item: place[item["id"]]) == sorted(
        read, key=lambda item: place[item["id"]]
    )


async def test_a_long_poll_waits_for_news_and_no_longer_than_it_was_told(
    stack: Stack, api: Api
) -> None:
    began = monotonic()
    empty = await page(api, after="now", wait_s=0.6)
    assert 0.6 <= monotonic() - began < 3
    assert (empty["items"], empty["more"]) == ([], False)

    polls = [asyncio.create_task(page(api, after=empty["next"], wait_s=30)) for _ in range(3)]
    assert not (await asyncio.wait(polls, timeout=0.5))[0], "nothing has happened"
    sent = monotonic()
    await publish(stack.bootstrap, [order("woken", 301)])
    for found in await asyncio.gather(*polls):
        assert [item["subject"] for item in found["items"]] == ["woken"]
    assert monotonic() - sent < 10
    assert await page(api, after=polls[0].result()["next"]) == {
        "items": [],
        "next": found["next"],
        "more": False,
    }


@pytest.mark.usefixtures("api")
async def test_a_thousand_who_wait_are_told_by_a_handful_of_queries(
    stack: Stack, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()
    for name in ("extent", "read"):
        original = getattr(queries, name)

        async def counted(*args: Any, name: str = name, original: Any = original) -> Any:
            asked.append(name)
            return await original(*args)

        monkeypatch.setattr(queries, name, counted)
    async with await db.create_pool(database, "lifecycle") as pool:
        changes = ChangeService(pool, PARTITIONS, days=30)
        async with changes.running(asyncio.Event()):
            began = monotonic()
            polls = [asyncio.create_task(changes.page("now", 100, 30)) for _ in range(1000)]
            await eventually(lambda: changes.waiting == 1000)
            await publish(stack.bootstrap, [order("herald", 302)])
            for found in await asyncio.gather(*polls):
                assert [json.loads(change.body)["subject"] for change in found.changes] == [
                    "herald"
                ]
            await eventually(lambda: changes.waiting == 0)
            assert asked.count("read") <= 2, "once to catch up, once for all"
            assert asked.count("extent") <= 5 + (monotonic() - began) / 0.2
            rested = len(asked)
            await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.6)
            assert len(asked) <= rested + 1, "nobody waits, nobody asks"


class Events:
    """Reads a stream of server-sent events."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def block(self) -> dict[str, str]:
        """The next block; a comment has no name."""
        found: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                break
            name, _, value = line.partition(": ")
            found[name] = value
        return found

    async def event(self) -> dict[str, str]:
        """The next event, comments and the like left out."""
        while block := await self.block():
            if "data" in block:
                return block
        raise EOFError


async def test_a_stream_resumes_behind_the_last_event_seen(
    stack: Stack, database: str, api: Api
) -> None:
    await publish(stack.bootstrap, [order(f"streamed-{n}", 303) for n in range(20)])
    await settled(stack, database, "lifecycle")
    expected = await items(api, limit=1000)
    seen = list[dict[str, str]]()
    async with api.stream("GET", "/v1/changes/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = Events(answer)
        opening = await events.block()
        assert opening == {"id": cursor.encode((0,) * PARTITIONS), "retry": "2000"}
        seen += [await events.event() for _ in range(len(expected) // 2)]
    last = {"Last-Event-ID": seen[-1]["id"]}
    async with api.stream("GET", "/v1/changes/stream?after=now", headers=last) as answer:
        events = Events(answer)
        await publish(stack.bootstrap, [order("latest", 304)])
        while (found := await events.event()) and json.loads(found["data"])["subject"] != "latest":
            seen.append(found)
        assert found["event"] == "phase.changed"
    told = [json.loads(block["data"]) for block in seen]
    assert [block["event"] for block in seen] == [item["type"] for item in told]
    assert sorted(told, key=lambda item: item["id"]) == sorted(
        expected, key=lambda item: item["id"]
    ), "each once"
    assert (await page(api, after=found["id"]))["items"] == []


async def test_a_stream_has_heartbeats_and_ends_when_the_process_stops_or_the_client_goes(
    database: str,
) -> None:
    stop = asyncio.Event()
    async with served(database, stop) as (client, app):
        changes: ChangeService = app.state.changes
        stream = changes.stream(await changes.start("now", "after"), heartbeat_s=0.1)
        assert (await anext(stream)).startswith(b"id: ")
        assert await anext(stream) == b": nothing new\n\n"
        await stream.aclose()
        assert changes.waiting == 0
        async with client.stream("GET", "/v1/changes/stream?after=now") as answer:
            await Events(answer).block()
            await eventually(lambda: changes.waiting == 1)
        await eventually(lambda: changes.waiting == 0, what="the client has gone")

        polling = asyncio.create_task(page(client, after="now", wait_s=30))
        async with client.stream("GET", "/v1/changes/stream?after=now") as answer:
            events = Events(answer)
            await events.block()
            await eventually(lambda: changes.waiting == 2)
            began = monotonic()
            stop.set()
            with pytest.raises(EOFError):
                await events.event()
        assert (await polling)["items"] == []
        assert monotonic() - began < 3


async def test_those_who_listen_are_let_go_when_a_look_fails_and_see_the_next_one_that_succeeds(
    stack: Stack, template: str
) -> None:
    """An error that nobody foresaw: nobody is left with "nothing new", and the server goes on."""
    async with archived(stack, template, {1: [1]}) as (client, pool):
        last = (await page(client))["next"]
        polling = asyncio.create_task(
            client.get("/v1/changes", params={"after": last, "wait_s": 30})
        )
        async with client.stream("GET", "/v1/changes/stream?after=now") as answer:
            events = Events(answer)
            await events.block()
            assert not (await asyncio.wait([polling], timeout=0.5))[0]
            await pool.execute(as_migrator("ALTER TABLE change RENAME TO lost", "lifecycle"))
            async with asyncio.timeout(5):
                with pytest.raises(EOFError):
                    await events.event()
                assert (await polling).status_code == 503
        assert (await client.get("/livez")).is_success
        assert (await client.get("/v1/changes")).status_code == 500, "whoever asks is told"
        await pool.execute(as_migrator("ALTER TABLE lost RENAME TO change", "lifecycle"))
        async with client.stream("GET", f"/v1/changes/stream?after={last}") as answer:
            events = Events(answer)
            await events.block()
            body = encode({"id": "next", "type": "phase.changed"})
            await pool.execute("INSERT INTO change VALUES (1, 2, 'ada', now(), $1)", body)
            async with asyncio.timeout(5):
                assert json.loads((await events.event())["data"])["id"] == "next"


async def test_a_feed_that_divides_by_zero_ends_no_process_and_is_tried_again(
    stack: Stack, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    extent = queries.extent

    async def divided(*_: Any) -> Any:
        return 1 / 0

    async with archived(stack, template, {1: [1]}) as (client, _):
        last = (await page(client))["next"]
        polling = asyncio.create_task(
            client.get("/v1/changes", params={"after": last, "wait_s": 30})
        )
        await asyncio.wait([polling], timeout=0.5)
        monkeypatch.setattr(queries, "extent", divided)
        assert (await polling).status_code == 503
        assert (await client.get("/livez")).is_success
        monkeypatch.setattr(queries, "extent", extent)
        assert (await page(client, after=last, wait_s=0.5))["items"] == []


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "nonsense",
        cursor.encode((0,)),
        cursor.encode((2**63,) * 12),
        cursor.encode((10**12,) * 12),
    ],
    ids=["empty", "text", "other partitions", "beyond bigint", "ahead"],
)
async def test_a_cursor_that_was_not_given_out_is_refused_by_its_name(
    api: Api, forged: str
) -> None:
    for path, headers, field in (
        ("/v1/changes", {}, "after"),
        ("/v1/changes/stream", {}, "after"),
        ("/v1/changes/stream?after=now", {"Last-Event-ID": forged or "-"}, "Last-Event-ID"),
    ):
        query = {} if headers else {"params": {"after": forged}}
        answer = await api.get(path, headers=headers, **query)  # type: ignore[arg-type]
        assert answer.status_code == 422, answer.text
        assert (answer.json()["code"], answer.json()["errors"][0]["field"]) == (
            "invalid_cursor",
            field,
        )


@asynccontextmanager
async def archived(
    stack: Stack, template: str, days: dict[int, list[int]]
) -> AsyncIterator[tuple[Api, Pool]]:
    """The API of a database of its own with changes of 1 kB, by partition so many days old."""
    database = await make_database(stack.database_url, template=template)
    pad = "-" * 1000
    rows = [
        (
            p,
            n,
            "ada",
            clock.now() - timedelta(days=age),
            encode({"id": f"{p}-{n}", "type": "phase.changed", "data": pad}),
        )
        for p, ages in days.items()
        for n, age in enumerate(ages, start=1)
    ]
    async with (
        served(database, asyncio.Event()) as (client, _),
        await db.create_pool(database, "lifecycle") as pool,
    ):
        await pool.copy_records_to_table("change", records=rows)
        yield client, pool
    await drop_database(database)


async def test_what_is_too_old_is_deleted_in_portions_and_a_cursor_before_it_has_expired(
    stack: Stack, template: str
) -> None:
    async with archived(stack, template, {1: [40, 35, 31, 29, 1], 2: [45] * 7, 3: [2]}) as (
        client,
        pool,
    ):
        beginning, middle = await page(client, limit=1), await page(client, limit=8)
        retention, before = ChangeRetention(pool, PARTITIONS, 30), clock.now() - timedelta(days=30)
        assert await retention.sweep(before, at_once=2) == 10
        assert await retention.sweep(before, at_once=2) == 0

        for path in ("/v1/changes", "/v1/changes/stream"):
            for old in (beginning, middle):
                answer = await client.get(path, params={"after": old["next"]})
                assert (answer.status_code, answer.json()["code"]) == (410, "cursor_expired")
                assert "after=now" in answer.json()["detail"]
        kept = await page(client)
        assert sorted(item["id"] for item in kept["items"]) == ["1-4", "1-5", "3-1"]
        assert (await page(client, after=kept["next"]))["items"] == []
        assert (await page(client, after="now")) == {
            "items": [],
            "next": kept["next"],
            "more": False,
        }


@pytest.mark.parametrize("path", ["/v1/changes", "/v1/changes/stream"])
async def test_who_gave_no_cursor_begins_at_what_is_left_whatever_is_deleted_meanwhile(
    stack: Stack, template: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async with archived(stack, template, {1: [40, 35, 1], 2: [45]}) as (client, pool):
        beginning, original = await page(client, limit=1), queries.read

        async def late(*args: Any) -> list[Change]:
            await ChangeRetention(pool, PARTITIONS, 30).sweep(clock.now() - timedelta(days=30))
            return await original(*args)

        monkeypatch.setattr(queries, "read", late)
        async with client.stream("GET", path) as answer:
            assert answer.status_code == 200, await answer.aread()
            if path.endswith("stream"):
                assert json.loads((await Events(answer).event())["data"])["id"] == "1-3"
            else:
                assert [item["id"] for item in json.loads(await answer.aread())["items"]] == ["1-3"]
        assert (await client.get(path, params={"after": beginning["next"]})).status_code == 410


async def test_a_database_that_was_restored_is_read_anew_and_streams_of_what_was_undone_end(
    stack: Stack, template: str
) -> None:
    async with archived(stack, template, {1: [1] * 5}) as (client, pool):
        third, last = await page(client, limit=3), await page(client)
        async with client.stream("GET", "/v1/changes/stream?after=now") as answer:
            events = Events(answer)
            await events.block()
            assert (await page(client, after="now", wait_s=0.5))["items"] == [], (
                "by now the newest are remembered"
            )
            await pool.execute("DELETE FROM change WHERE seq > 3")
            other = encode({"id": "other", "type": "phase.changed"})
            await pool.execute("INSERT INTO change VALUES (1, 4, 'ada', now(), $1)", other)
            assert [item["id"] for item in (await page(client, after=third["next"]))["items"]] == [
                "other"
            ]
            async with asyncio.timeout(5):
                with pytest.raises(EOFError):
                    await events.event()
        for path in ("/v1/changes", "/v1/changes/stream"):
            assert (await client.get(path, params={"after": last["next"]})).status_code == 422, (
                "ahead of what there is"
            )


async def test_a_client_that_does_not_read_fills_no_memory(
    stack: Stack, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, original, most = list[int](), queries.read, 30_000

    async def counted(*args: Any) -> list[Change]:
        found = await original(*args)
        read.append(len(found))
        return found

    monkeypatch.setattr(queries, "read", counted)
    async with archived(stack, template, {p: [1] * (most // 3) for p in (1, 2, 3)}) as (client, _):
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(
            b"GET /v1/changes/stream HTTP/1.1\r\nHost: test\r\n"
            b"Authorization: Bearer key-of-the-tests\r\n\r\n"
        )
        counts = [-1]

        def rests() -> bool:
            counts.append(sum(read))
            return counts[-1] == counts[-2] > 0

        await eventually(rests, every_s=0.3)
        assert counts[-1] < most * 0.8, "what the sockets hold, and not more"
        for _ in range(200):
            await reader.readexactly(50_000)
        await eventually(lambda: sum(read) > counts[-1])
        writer.close()


async def test_only_some_streams_are_open_at_a_time_and_who_takes_nothing_loses_its_place(
    stack: Stack, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "MOST_STREAMS", 1)
    monkeypatch.setattr(streams, "STALLED_S", 0.5)
    async with archived(stack, template, {p: [1] * 10_000 for p in (1, 2, 3)}) as (client, _):

        async def opened() -> bool:
            async with client.stream("GET", "/v1/changes/stream?after=now") as answer:
                if answer.status_code == 503:
                    assert json.loads(await answer.aread())["code"] == "too_many_streams"
                    assert answer.headers["retry-after"] == "5"
                return answer.is_success

        async with client.stream("GET", "/v1/changes/stream?after=now") as answer:
            events = Events(answer)
            await events.block()
            assert not await opened()
            assert (await page(client, limit=1))["more"], "pages go on"
        await eventually(opened, what="the client has gone")
        _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(
            b"GET /v1/changes/stream HTTP/1.1\r\nHost: test\r\n"
            b"Authorization: Bearer key-of-the-tests\r\n\r\n"
        )
        await eventually(lambda: refused(opened), every_s=0.01)
        await eventually(opened, what="the client that reads nothing has been given up")
        writer.close()


async def refused(opened: Callable[[], Awaitable[bool]]) -> bool:
    return not await opened()


async def test_a_database_that_is_down_is_told_and_those_who_listen_go_on_when_it_is_back(
    stack: Stack, api: Api
) -> None:
    async with api.stream("GET", "/v1/changes/stream?after=now") as answer:
        events = Events(answer)
        await events.block()
        polling = asyncio.create_task(api.get("/v1/changes", params={"after": "now", "wait_s": 30}))
        await asyncio.wait([polling], timeout=0.5)
        await stack.postgres.kill()
        killed = monotonic()
        try:
            for refused in (
                await polling,
                await api.get("/v1/changes"),
                await api.get("/v1/changes/stream"),
            ):
                assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
                assert int(refused.headers["retry-after"]) >= 1
            assert monotonic() - killed < 10, "at once, not when the poll would have been over"
        finally:
            await stack.postgres.start()
        await publish(stack.bootstrap, [event("survivor", "page.viewed", 305)])
        assert json.loads((await events.event())["data"])["subject"] == "survivor"
