"""Sending a log: acknowledged in order, repeated when refused for now, counted exactly."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest

from shared.cli.replay import sender as module
from shared.cli.replay.plan import Chunk, Tick
from shared.cli.replay.sender import Sender, Tally
from shared.client.errors import ApiError
from shared.errors import Misconfigured, Retryable

Answer = Callable[[httpx.Request], httpx.Response]


def chunk(*ids: str, first_line: int = 1) -> Chunk:
    made = Chunk()
    for number, name in enumerate(ids, start=first_line):
        made.add(number, json.dumps({"id": name}).encode())
    return made


def accepted(request: httpx.Request) -> httpx.Response:
    body = json.loads(request.content)
    return httpx.Response(
        202, json={"accepted": len(body) if isinstance(body, list) else 1, "rejected": []}
    )


async def send(answer: Answer, *steps: Chunk | Tick) -> Tally:
    async with Sender("http://ingest", "key", transport=httpx.MockTransport(answer)) as sender:
        return await sender.send(steps)


async def test_events_and_ticks_arrive_in_their_order_with_the_key() -> None:
    seen: list[object] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer key"
        seen.append(json.loads(request.content))
        return accepted(request)

    tally = await send(answer, chunk("a", "b"), Tick(datetime(2024, 1, 2, tzinfo=UTC)), chunk("c"))
    instant = "2024-01-02T00:00:00Z"
    tick = {
        "specversion": "1.0",
        "id": f"tick-{instant}",
        "source": "/replay",
        "type": "clock.ticked",
        "time": instant,
    }
    assert seen == [[{"id": "a"}, {"id": "b"}], tick, [{"id": "c"}]]
    assert (tally.accepted, tally.rejected) == (3, 0)


async def test_a_busy_ingest_and_a_lost_connection_are_tried_again() -> None:
    troubles: Iterator[httpx.Response | httpx.ConnectError] = iter(
        [httpx.Response(503, headers={"retry-after": "0"}), httpx.ConnectError("refused")]
    )

    def answer(request: httpx.Request) -> httpx.Response:
        trouble = next(troubles, None)
        if isinstance(trouble, Exception):
            raise trouble
        return trouble or accepted(request)

    assert (await send(answer, chunk("a"))).accepted == 1


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    with pytest.raises(Retryable, match="answered 503"):
        await send(lambda _: httpx.Response(503), chunk("a"))


async def test_refused_events_are_counted_and_the_first_ten_are_kept_with_their_line() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        n = len(json.loads(request.content))
        refused = [
            {"index": i, "id": str(i), "code": "invalid", "field": "type", "message": "no"}
            for i in range(1, n)
        ]
        return httpx.Response(202, json={"accepted": 1, "rejected": refused})

    tally = await send(answer, chunk(*"abcdefgh"), chunk(*"abcdefgh", first_line=9))
    assert (tally.accepted, tally.rejected, tally.sent) == (2, 14, 16)
    assert [refused.line for refused in tally.first_rejections] == [2, 3, 4, 5, 6, 7, 8, 10, 11, 12]


async def test_a_request_of_only_bad_events_is_counted_like_any_other() -> None:
    refused = [{"index": 0, "id": None, "code": "invalid", "field": None, "message": "no"}]
    tally = await send(
        lambda _: httpx.Response(422, json={"accepted": 0, "rejected": refused}), chunk("a")
    )
    assert (tally.accepted, tally.rejected) == (0, 1)


async def test_a_refused_tick_stops_the_replay() -> None:
    refused = [
        {
            "index": 0,
            "id": "t",
            "code": "clock_not_settable",
            "field": "type",
            "message": "wall time",
        }
    ]
    with pytest.raises(Misconfigured, match="wall time"):
        await send(
            lambda _: httpx.Response(422, json={"accepted": 0, "rejected": refused}),
            Tick(datetime(2024, 1, 1, tzinfo=UTC)),
        )


@pytest.mark.parametrize("status", [400, 401, 413, 500])
async def test_an_answer_that_trying_again_cannot_mend_stops_the_replay(status: int) -> None:
    with pytest.raises(ApiError, match=str(status)):
        await send(lambda _: httpx.Response(status, json={"code": "no"}), chunk("a"))
