"""When a client sends a call again, and for how long."""

from itertools import islice
from typing import Any

import httpx
import pytest

from shared.client.errors import Unavailable
from shared.client.lifecycle import AsyncLifecycleClient
from shared.client.pages import WAIT_S, follow
from shared.errors import Retryable
from tests.support.fake_service import BUSY, CHANGES, FakeService, lifecycle

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
            FakeService(httpx.ConnectError("refused"), full, lost, httpx.Response(200, json={}))
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
    busy = FakeService(
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
    shop = FakeService(httpx.Response(503, headers={"Retry-After": "60"}))
    with lifecycle(shop) as api, pytest.raises(Unavailable, match="answered 503") as caught:
        api.show_rearming()
    assert (len(shop.seen), caught.value.wait_s, isinstance(caught.value, Retryable)) == (
        1,
        60,
        True,
    )
    with (
        lifecycle(FakeService(httpx.ConnectError("refused")), 0) as api,
        pytest.raises(Unavailable, match="does not answer"),
    ):
        api.show_rearming()


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
    polls = FakeService(CHANGES[0], BUSY, httpx.ConnectError("refused"), CHANGES[2])

    def slow(request: httpx.Request) -> httpx.Response:
        clock.sleep(WAIT_S if len(polls.seen) < 2 else 0)
        return polls(request)

    with lifecycle(slow, patience_s=WAIT_S) as api:
        assert [page["next"] for page in islice(follow(api, "now"), 2)] == ["a", "b"], (
            "a break after a long wait"
        )


def test_patience_is_counted_from_the_first_failure(clock: Clock) -> None:
    with (
        lifecycle(FakeService(httpx.ConnectError("refused")), patience_s=20) as api,
        pytest.raises(Unavailable),
    ):
        api.list_changes()
    assert 15 <= clock.now < 20, "a pause has at most 5 s"
