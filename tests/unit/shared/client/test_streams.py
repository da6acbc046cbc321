"""Server-sent events."""

import httpx
import pytest

from shared.client.errors import NotThere, Unavailable
from shared.client.lifecycle import AsyncLifecycleClient
from shared.client.streams import StreamEvent
from tests.support.fake_service import SENT, FakeService, Parts, lifecycle, problem

STREAM = (
    b"id: a\nretry: 2000\n\n: nothing new\n\nid: b\nevent: phase.changed\nda",
    'ta: {"subject":"ü"}\n'.encode(),
    b"\nid: c\nevent: phase.corrected\ndata: {}\n\nid: d\nev",
)


EVENTS = [
    StreamEvent("a"),
    StreamEvent("b", "phase.changed", '{"subject":"ü"}'),
    StreamEvent("c", "phase.corrected", "{}"),
]


async def test_a_stream_gives_events_and_goes_on_behind_the_last_one() -> None:
    seen = list[httpx.Request]()

    def shop(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers=SENT, stream=Parts(*STREAM))

    with lifecycle(shop) as api, api.stream_changes(after="now") as events:
        assert list(events) == EVENTS
    later = AsyncLifecycleClient("http://shop", "key", transport=httpx.MockTransport(shop))
    async with later, later.stream_changes(last_event_id="c") as coming:
        assert [event async for event in coming] == EVENTS
    assert [(r.url.query, r.headers.get("last-event-id")) for r in seen] == [
        (b"after=now", None),
        (b"", "c"),
    ]
    assert {request.headers["accept"] for request in seen} == {"text/event-stream"}


def test_a_stream_is_refused_or_breaks_off_with_an_error() -> None:
    gone = lifecycle(FakeService(problem(410, "cursor_expired")))
    with (
        gone as api,
        pytest.raises(NotThere, match="cursor_expired"),
        api.stream_changes(after="old"),
    ):
        pass
    parts = Parts(STREAM[0], httpx.ReadError("reset"))
    cut = lifecycle(lambda _: httpx.Response(200, headers=SENT, stream=parts))
    with cut as api, pytest.raises(Unavailable, match="reset"), api.stream_changes() as events:
        assert [next(events), *events]
