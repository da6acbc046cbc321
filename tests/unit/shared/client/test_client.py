"""The typed client: what it sends, when it sends it again, and what it makes of answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import httpx
import pytest

from shared.client.errors import ApiError, NotThere, Refused, Unauthorized, Unavailable
from shared.client.ingest import IngestClient
from shared.client.lifecycle import AsyncLifecycleClient, LifecycleClient
from shared.client.pages import WAIT_S, aevery, afollow, every, follow
from shared.client.referral import AsyncReferralClient, ReferralClient
from shared.client.streams import StreamEvent
from shared.errors import FieldError, Retryable

Answer = Callable[[httpx.Request], httpx.Response]

BUSY = httpx.Response(503, headers={"Retry-After": "0"})


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    body = {
        "type": "about:blank",
        "title": "",
        "status": status,
        "code": code,
        "detail": "Told.",
        "errors": [],
        **more,
    }
    return httpx.Response(
        status, headers={"Content-Type": "application/problem+json"}, content=json.dumps(body)
    )


class Shop:
    """Answers with one response after the other, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.seen: list[httpx.Request] = []
        self._answers = answers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        answer = self._answers[min(len(self.seen), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Parts(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in parts, or breaks off."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def lifecycle(shop: Answer, patience_s: float = 30) -> LifecycleClient:
    return LifecycleClient(
        "http://shop", "key", patience_s=patience_s, transport=httpx.MockTransport(shop)
    )


def referral(shop: Answer) -> ReferralClient:
    return ReferralClient("http://shop", "key", transport=httpx.MockTransport(shop))


def test_ids_are_one_segment_and_instants_are_told_in_utc() -> None:
    shop = Shop(httpx.Response(200, json={}))
    at = datetime.fromisoformat("2024-05-01T14:00:00+02:00")
    with lifecycle(shop) as api:
        api.show_phase("a/b ü%2F", as_of=at, model="cxm", language="de")
        api.show_history("c", all=True, limit=5)
    first, second = shop.seen
    assert first.url.raw_path == (
        b"/v1/customers/a%2Fb%20%C3%BC%252F/phase?as_of=2024-05-01T12%3A00%3A00Z&model=cxm"
    )
    assert (first.headers["authorization"], first.headers["accept-language"]) == (
        "Bearer key",
        "de",
    )
    assert second.url.query == b"all=true&limit=5"
    assert "accept-language" not in second.headers


@pytest.mark.parametrize("id", [".", "..", "...", "a.b"])
def test_an_id_of_dots_is_a_name_and_no_step(id: str) -> None:
    shop = Shop(httpx.Response(200, json={}))
    with lifecycle(shop) as api:
        api.show_history(id)
    assert shop.seen[0].url.raw_path.count(b"/") == "/v1/customers/x/history".count("/")
    assert shop.seen[0].url.path == f"/v1/customers/{id}/history"


def test_an_empty_id_is_refused_before_anything_is_sent() -> None:
    shop = Shop(httpx.Response(200, json={}))
    with lifecycle(shop) as api, pytest.raises(Refused, match="at least one character"):
        api.show_customer("")
    assert shop.seen == []


def test_one_call_has_one_key_however_often_it_is_sent() -> None:
    shop = Shop(BUSY, httpx.ReadTimeout("lost"), httpx.Response(201, json={"code": "X"}))
    with referral(shop) as api:
        assert api.issue_code({"customer": "ada"})["code"] == "X"
        api.issue_code({"customer": "ada"})
        api.issue_code({"customer": "ada"}, idempotency_key="mine")
    keys = [request.headers["idempotency-key"] for request in shop.seen]
    assert len(set(keys[:3])) == 1, "the same over its repetitions"
    assert (len(set(keys)), keys[-1]) == (3, "mine")
    assert [json.loads(request.content) for request in shop.seen] == [{"customer": "ada"}] * 5


ONCE = [
    ("release_customer", ("ada",)),
    ("activate_policy", ("default", 1)),
    ("make_fit", ()),
]


@pytest.mark.parametrize(("operation", "given"), ONCE)
async def test_what_may_not_be_repeated_is_sent_once_if_it_may_have_been_received(
    operation: str, given: tuple[Any, ...]
) -> None:
    full = httpx.Response(429, headers={"Retry-After": "0"})
    for lost in (BUSY, httpx.ReadTimeout("lost"), httpx.RemoteProtocolError("broken off")):
        shop, later = (
            Shop(httpx.ConnectError("refused"), full, lost, httpx.Response(200, json={}))
            for _ in range(2)
        )
        with lifecycle(shop) as api, pytest.raises(Unavailable) as caught:
            getattr(api, operation)(*given)
        assert caught.value.received
        async with AsyncLifecycleClient(
            "http://shop", "key", transport=httpx.MockTransport(later)
        ) as asynchronous:
            with pytest.raises(Unavailable):
                await getattr(asynchronous, operation)(*given)
        assert len(shop.seen) == len(later.seen) == 3, (
            "again after a refused connection and 429 only"
        )


def test_a_busy_service_is_waited_for_as_long_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    busy = Shop(
        httpx.Response(429, headers={"Retry-After": "7"}),
        httpx.Response(504),
        httpx.ConnectError("refused"),
        httpx.Response(200, json={"done": 1}),
    )
    with lifecycle(busy) as api:
        assert api.show_rearming()["done"] == 1
    assert slept[0] == 7
    assert all(0 <= pause <= 5 for pause in slept[1:]), "and else for a while that grows"


def test_patience_ends_before_a_pause_that_is_too_long() -> None:
    shop = Shop(httpx.Response(503, headers={"Retry-After": "60"}))
    with lifecycle(shop) as api, pytest.raises(Unavailable, match="answered 503") as caught:
        api.show_rearming()
    assert (len(shop.seen), caught.value.wait_s, isinstance(caught.value, Retryable)) == (
        1,
        60,
        True,
    )
    with (
        lifecycle(Shop(httpx.ConnectError("refused")), 0) as api,
        pytest.raises(Unavailable, match="does not answer"),
    ):
        api.show_rearming()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(401, "unauthorized"), Unauthorized),
        (problem(404, "unknown_customer"), NotThere),
        (problem(410, "cursor_expired"), NotThere),
        (problem(409, "policy_exists"), Refused),
        (problem(422, "invalid", errors=[{"field": "limit", "message": "too many"}]), Refused),
        (problem(500, "internal"), ApiError),
    ],
)
def test_a_problem_is_an_error_that_says_what_to_do(
    answer: httpx.Response, kind: type[ApiError]
) -> None:
    shop = Shop(answer)
    with lifecycle(shop) as api, pytest.raises(ApiError) as caught:
        api.show_customer("ada")
    told = answer.json()
    assert (type(caught.value), caught.value.status, caught.value.code) == (
        kind,
        told["status"],
        told["code"],
    )
    assert list(caught.value.errors) == [FieldError(**wrong) for wrong in told["errors"]]
    assert (
        str(caught.value)
        == f"GET /v1/customers/ada answered {told['status']} {told['code']}: Told."
    )
    assert len(shop.seen) == 1, "asking again would not help"


def test_an_answer_of_somebody_in_between_is_an_error_too() -> None:
    for answer in (
        httpx.Response(502, json={"error": "gateway"}),
        httpx.Response(418, text="<html>"),
    ):
        with (
            lifecycle(Shop(answer), 0) as api,
            pytest.raises(ApiError, match=str(answer.status_code)),
        ):
            api.show_customer("ada")


HTML = {"Content-Type": "text/html"}
CSV = {"Content-Type": "text/csv; charset=utf-8"}
SENT = {"Content-Type": "text/event-stream"}
PROBLEM = {"Content-Type": "application/problem+json; charset=utf-8"}


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (200, {"headers": HTML, "text": "<html>Please log in</html>"}, ApiError),
        (200, {}, ApiError),
        (404, {"headers": PROBLEM}, NotThere),
        (409, {"headers": PROBLEM, "text": '{"code": ["no text"], "errors": 7}'}, Refused),
        (422, {"headers": PROBLEM, "text": '[{"field"'}, Refused),
        (302, {"headers": {"Location": "/v1/customers/ada"}}, ApiError),
        (200, {"headers": {"Content-Encoding": "gzip"}, "stream": Parts(b"no gzip")}, ApiError),
    ],
)
async def test_whatever_comes_that_is_no_answer_is_an_error_of_ours(
    status: int, answer: dict[str, Any], kind: type[ApiError]
) -> None:
    def shop(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, **answer)

    with lifecycle(shop, 0) as api, pytest.raises(ApiError) as caught:
        api.show_customer("ada")
    assert (type(caught.value), caught.value.code) == (kind, "")
    async with AsyncLifecycleClient(
        "http://shop", "key", transport=httpx.MockTransport(shop)
    ) as later:
        with pytest.raises(kind):
            await later.show_customer("ada")


async def test_a_page_of_somebody_in_between_is_no_file() -> None:
    shop = Shop(httpx.Response(200, headers=HTML, text="<html>Please log in</html>"))
    with (
        lifecycle(shop) as api,
        pytest.raises(ApiError, match="log in"),
        api.list_customers_as("text/csv"),
    ):
        pass
    async with AsyncLifecycleClient(
        "http://shop", "key", transport=httpx.MockTransport(shop)
    ) as later:
        with pytest.raises(ApiError, match="text/html, and no text/event-stream"):
            await later.stream_changes().__aenter__()


def breaks_off(_: httpx.Request) -> httpx.Response:
    return httpx.Response(
        200, headers=CSV, stream=Parts(b"customer\n", httpx.RemoteProtocolError("incomplete"))
    )


async def test_a_file_that_breaks_off_is_an_error_and_never_the_whole() -> None:
    seen = list[bytes]()
    with (
        lifecycle(breaks_off) as api,
        pytest.raises(Unavailable, match="incomplete"),
        api.list_customers_as("text/csv") as parts,
    ):
        seen.extend(parts)
    assert seen.pop() == b"customer\n"

    async def read() -> None:
        async with (
            AsyncLifecycleClient(
                "http://shop", "key", transport=httpx.MockTransport(breaks_off)
            ) as later,
            later.list_customers_as("text/csv") as coming,
        ):
            async for part in coming:
                seen.append(part)

    with pytest.raises(Unavailable, match="incomplete"):
        await read()
    assert seen == [b"customer\n"]


def test_a_receipt_is_an_answer_whatever_its_status() -> None:
    receipt = {
        "accepted": 0,
        "rejected": [{"index": 0, "id": None, "code": "missing", "field": "id", "message": "-"}],
    }
    for status in (202, 422):
        shop = Shop(httpx.Response(status, json=receipt))
        with IngestClient("http://shop", "key", transport=httpx.MockTransport(shop)) as api:
            assert api.accept_events(b"[{}]") == receipt
        assert (shop.seen[0].content, shop.seen[0].headers["content-type"]) == (
            b"[{}]",
            "application/json",
        )


def test_of_a_merged_customer_the_one_that_it_became_is_read_and_never_changed() -> None:
    moved = {"Location": "/v1/customers/new", "Content-Type": "application/problem+json"}
    merged = httpx.Response(301, headers=moved, content=problem(301, "merged").content)
    shop = Shop(merged, httpx.Response(200, json={"customer": "new"}))
    with lifecycle(shop) as api:
        assert api.show_customer("old")["customer"] == "new"
    with lifecycle(Shop(merged)) as api, pytest.raises(Refused, match="merged"):
        api.release_customer("old")


PAGES = [
    {"items": [{"name": "a"}, {"name": "b"}], "next_cursor": "more"},
    {"items": [], "next_cursor": "most"},
    {"items": [{"name": "c"}], "next_cursor": None},
]


async def test_every_item_of_every_page_comes_once() -> None:
    shop = Shop(*(httpx.Response(200, json=page) for page in PAGES))
    with lifecycle(shop) as api:
        assert [policy["name"] for policy in every(api.list_policies, limit=2)] == ["a", "b", "c"]
    assert [request.url.query for request in shop.seen] == [
        b"limit=2",
        b"limit=2&cursor=more",
        b"limit=2&cursor=most",
    ]
    again = Shop(*(httpx.Response(200, json=page) for page in PAGES))
    async with AsyncLifecycleClient(
        "http://shop", "key", transport=httpx.MockTransport(again)
    ) as later:
        assert [policy["name"] async for policy in aevery(later.list_policies)] == ["a", "b", "c"]


CHANGES = [
    httpx.Response(200, json={"items": items, "next": cursor, "more": False})
    for items, cursor in (([], "a"), ([], "a"), ([1], "b"))
]
POLLS = [b"after=now&limit=7", b"after=a&limit=7&wait_s=30.0", b"after=a&limit=7&wait_s=30.0"]


def test_changes_are_followed_from_a_first_page_that_says_where_one_is() -> None:
    shop = Shop(*CHANGES)
    with lifecycle(shop) as api:
        assert [page["next"] for page in islice(follow(api, "now", limit=7), 2)] == ["a", "b"], (
            "no empty page later"
        )
    assert [request.url.query for request in shop.seen] == POLLS


async def test_changes_are_followed_asynchronously_too_over_a_break() -> None:
    shop = Shop(CHANGES[0], CHANGES[1], BUSY, CHANGES[2])
    told = list[Unavailable]()
    transport = httpx.MockTransport(shop)
    async with (
        AsyncLifecycleClient(
            "http://shop", "key", transport=transport, on_retry=told.append
        ) as api,
        aclosing(afollow(api, "now", limit=7)) as pages,
    ):
        assert [(await anext(pages))["next"], (await anext(pages))["next"]] == ["a", "b"]
    assert [request.url.query for request in shop.seen] == [*POLLS, POLLS[-1]]
    assert [error.status for error in told] == [503], "and whoever wants to know is told"


class Clock:
    """Stands still but for pauses and answers that take their time."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("tenacity", "tenacity.nap"):
        monkeypatch.setattr(f"{module}.time", clock)
    return clock


def test_waiting_for_an_answer_takes_no_patience(clock: Clock) -> None:
    polls = Shop(CHANGES[0], BUSY, httpx.ConnectError("refused"), CHANGES[2])

    def slow(request: httpx.Request) -> httpx.Response:
        clock.sleep(WAIT_S if len(polls.seen) < 2 else 0)
        return polls(request)

    with lifecycle(slow, patience_s=WAIT_S) as api:
        assert [page["next"] for page in islice(follow(api, "now"), 2)] == ["a", "b"], (
            "a break after a long wait"
        )


def test_patience_is_counted_from_the_first_failure(clock: Clock) -> None:
    with (
        lifecycle(Shop(httpx.ConnectError("refused")), patience_s=20) as api,
        pytest.raises(Unavailable),
    ):
        api.list_changes()
    assert 15 <= clock.now < 20, "a pause has at most 5 s"


def test_a_file_comes_in_parts_and_a_refusal_as_an_error() -> None:
    shop = Shop(BUSY, httpx.Response(200, headers=CSV, text="customer\nada\n"))
    with lifecycle(shop) as api, api.list_customers_as("text/csv", phase="at_risk") as parts:
        assert b"".join(parts) == b"customer\nada\n"
    assert (shop.seen[1].headers["accept"], shop.seen[1].url.query) == (
        "text/csv",
        b"phase=at_risk",
    )
    with (
        lifecycle(Shop(problem(422, "invalid"))) as api,
        pytest.raises(Refused),
        api.list_customers_as("text/csv"),
    ):
        pass


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
    gone = lifecycle(Shop(problem(410, "cursor_expired")))
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


async def test_the_asynchronous_client_does_the_same() -> None:
    shop = Shop(
        BUSY,
        httpx.ConnectError("refused"),
        httpx.Response(200, json={"code": "X"}),
        problem(404, "no_code"),
    )
    async with AsyncReferralClient(
        "http://shop", "key", transport=httpx.MockTransport(shop)
    ) as api:
        assert (await api.issue_code({"customer": "ada"}))["code"] == "X"
        with pytest.raises(NotThere):
            await api.show_code("bob")
    assert len({request.headers["idempotency-key"] for request in shop.seen[:3]}) == 1
    files = Shop(
        httpx.Response(200, headers={"Content-Type": "application/x-ndjson"}, text="one\n")
    )
    async with (
        AsyncLifecycleClient("http://shop", "key", transport=httpx.MockTransport(files)) as other,
        other.list_customers_as("application/x-ndjson") as parts,
    ):
        assert [part async for part in parts] == [b"one\n"]


async def test_many_may_use_one_asynchronous_client_at_once() -> None:
    shop = Shop(httpx.Response(200, json={"as_of": datetime(2024, 5, 1, tzinfo=UTC).isoformat()}))
    async with AsyncLifecycleClient(
        "http://shop", "key", transport=httpx.MockTransport(shop)
    ) as api:
        await asyncio.gather(*(api.count_phases() for _ in range(20)))
    assert len(shop.seen) == 20
