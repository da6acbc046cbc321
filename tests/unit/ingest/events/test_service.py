"""How ingest judges a request, without Kafka."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import pytest

from services.ingest.domain.acceptance import AcceptedEvent, split_into_stages
from services.ingest.events.body import split_body
from services.ingest.events.judgement import Judgement, judge
from services.ingest.events.service import EventService
from services.ingest.settings import IngestSettings
from shared import clock, instants
from shared.errors import Problem, Retryable
from shared.events.customer_ids import NO_CUSTOMERS
from shared.kafka.publisher import KafkaMessage, Publisher

EVENT: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/shop",
    "type": "customer.signed_up",
    "subject": "customer-1",
    "time": "2024-05-01T12:00:00Z",
}
TICK: Final = {k: v for k, v in EVENT.items() if k != "subject"} | {
    "type": "clock.ticked",
    "id": "t-1",
}


def settings(**changes: object) -> IngestSettings:
    return IngestSettings.model_validate(
        {"kafka_bootstrap": "-", "api_key": "key-of-the-tests"} | changes
    )


def judged(*events: object, **changes: object) -> Judgement:
    return judge(split_body(json.dumps(events).encode()), settings(**changes))


def problem(body: bytes) -> tuple[int, str]:
    with pytest.raises(Problem) as raised:
        split_body(body)
    return raised.value.status, raised.value.code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[",
        b"{",
        b'"text"',
        b"5",
        b"null",
        b"\xef\xbb\xbf[]",
        b"[NaN]",
        b'[{"a": Infinity}]',
        b'{"a": NaN}',
        b"[{}] x",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe{\x00}\x00",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_cannot_be_read_is_unreadable(body: bytes) -> None:
    assert problem(body) == (400, "unreadable")


def test_a_request_holds_at_least_one_event_and_at_most_a_thousand() -> None:
    assert problem(b" [ ] ") == (422, "empty")
    assert problem(b"[" + b"{}," * 1000 + b"{}]") == (413, "too_many")
    assert len(split_body(b"[" + b"{}," * 999 + b"{}]")) == 1000


def test_one_bad_event_does_not_sink_the_others() -> None:
    found = judged(
        EVENT,
        EVENT | {"type": "no.such"},
        5,
        EVENT | {"subject": "a\ud800"},
        EVENT | {"time": "today"},
        EVENT,
    )
    assert [event.subject for event in found.accepted] == ["customer-1", "customer-1"]
    assert [(r.index, r.id, r.code, r.field) for r in found.rejected] == [
        (1, "e-1", "unknown_type", "type"),
        (2, None, "invalid", None),
        (3, "e-1", "unreadable", None),
        (4, "e-1", "invalid", "time"),
    ]


def test_the_future_begins_five_minutes_ahead_in_real_time_only() -> None:
    near, far = (
        EVENT | {"time": instants.render(clock.now() + timedelta(minutes=minutes))}
        for minutes in (4.9, 5.1)
    )
    found = judged(near, far)
    assert (len(found.accepted), [r.code for r in found.rejected]) == (1, ["time_in_future"])
    assert len(judged(near, far, clock="log").accepted) == 2


def test_the_clock_can_be_set_in_log_time_only() -> None:
    assert [r.code for r in judged(TICK).rejected] == ["clock_not_settable"]
    assert len(judged(TICK, clock="log").accepted) == 1


def test_only_the_referral_service_says_that_a_referral_succeeded() -> None:
    for kind in ("referral.succeeded", "referral.annulled"):
        assert [r.code for r in judged(EVENT | {"type": kind}, clock="log").rejected] == [
            "reserved_type"
        ]


@pytest.mark.parametrize("word", NO_CUSTOMERS)
def test_a_word_that_stands_for_nobody_is_no_customer(word: str) -> None:
    into = {"type": "customer.merged", "data": {"into": word}}
    apart = {"type": "customer.unmerged", "data": {"into": word}}
    bought = {"data": {"order_id": "o", "total": {"amount": 1, "currency": "EUR"}, "into": word}}
    found = judged(
        EVENT | {"subject": word},
        EVENT | {"subject": word.upper()},
        EVENT | {"subject": word.title()},
        EVENT | into,
        EVENT | apart,
        TRACK | {"userId": word},
        EVENT | {"subject": f"{word}s"},
        EVENT | {"type": "order.completed"} | bought,
    )
    refused = [(r.index, r.field) for r in found.rejected if r.code == "not_a_customer_id"]
    assert refused == [
        (0, "subject"),
        (1, "subject"),
        (2, "subject"),
        (3, "data.into"),
        (4, "data.into"),
        (5, "userId"),
    ]
    assert len(found.accepted) == 2


def test_a_setting_says_which_words_stand_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAMMKUNDE_NO_CUSTOMERS", "Gast, (x)")
    words = settings().no_customers
    events = [EVENT | {"subject": name} for name in ("gast", "(X)", "guest", "x", "Gas")]
    found = judged(*events, no_customers=words)
    assert [r.index for r in found.rejected] == [0, 1]
    assert len(judged(*events, no_customers="").accepted) == 5
    assert [r.field for r in judged(EVENT | {"subject": " "}, no_customers="").rejected] == [
        "subject"
    ]


def test_an_erasure_is_refused_for_as_long_as_nothing_is_erased() -> None:
    for mode in ("log", "wall"):
        (refused,) = judged(EVENT | {"type": "customer.erasure_requested"}, clock=mode).rejected
        assert (refused.code, refused.field) == ("not_supported_yet", "type")


TRACK: Final[dict[str, Any]] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "customer-1",
    "messageId": "m-1",
    "timestamp": "2024-05-01T12:00:00Z",
    "properties": {"order_id": "o-1", "total": 19.99, "currency": "EUR"},
}


def test_a_track_call_is_taken_among_events_and_refused_in_its_own_words() -> None:
    ahead = instants.render(clock.now() + timedelta(minutes=10))
    nothing: dict[str, Any] = {}
    found = judged(
        EVENT,
        TRACK,
        TRACK | {"timestamp": ahead},
        TRACK | {"event": "Cart Viewed"},
        TRACK | {"properties": nothing},
        TRACK | {"type": "identify"},
        TRACK | {"properties": TRACK["properties"] | {"note": "x" * (5 * 1024 * 1024)}},
    )
    assert [(event.type, event.subject) for event in found.accepted] == [
        ("customer.signed_up", "customer-1"),
        ("order.completed", "customer-1"),
    ]
    assert json.loads(found.accepted[1].value)["data"]["total"] == {
        "amount": 1999,
        "currency": "EUR",
    }
    assert [(r.index, r.id, r.code, r.field) for r in found.rejected] == [
        (2, "m-1", "time_in_future", "timestamp"),
        (3, "m-1", "unknown_type", "event"),
        (4, "m-1", "missing", "properties.total"),
        (5, "m-1", "unknown_type", "type"),
        (6, "m-1", "too_large", None),
    ]


def test_an_event_that_no_record_can_hold_is_refused() -> None:
    found = judged(EVENT | {"data": {"note": "x" * (5 * 1024 * 1024)}})
    assert [r.code for r in found.rejected] == ["too_large"]


def test_a_strange_id_is_told_back_as_far_as_it_can_be() -> None:
    found = judged(EVENT | {"id": 7}, EVENT | {"id": "\ud800"}, {"a": 1}, [])
    assert [r.id for r in found.rejected] == ["7", "?", None, None]


def test_a_control_record_waits_for_what_came_before_and_holds_back_what_comes_after() -> None:
    def event(kind: str, n: int) -> AcceptedEvent:
        return AcceptedEvent(kind, "", str(n).encode())

    a, b, c = (event("page.viewed", n) for n in range(3))
    tick = event("clock.ticked", 3)
    start = event("import.started", 4)
    assert split_into_stages([a, b, tick, start, c]) == [[a, b], [tick], [start], [c]]
    assert split_into_stages([tick, a]) == [[tick], [a]]
    assert split_into_stages([a, b]) == [[a, b]]
    assert split_into_stages([]) == []


class _Log(Publisher):
    """Keeps what is published, a request after the other; the last may fail."""

    def __init__(self, *, fails_at: int = 100) -> None:
        self.published: list[Sequence[KafkaMessage]] = []
        self._fails_at = fails_at

    async def publish(self, messages: Sequence[KafkaMessage]) -> None:
        if len(self.published) == self._fails_at:
            raise Retryable("Kafka did not acknowledge within 10 s")
        self.published.append(messages)


async def test_a_control_record_goes_to_every_partition_and_an_event_to_its_own() -> None:
    log = _Log()
    body = json.dumps([EVENT, TICK, EVENT]).encode()
    receipt = await EventService(settings(clock="log", partitions=3), log).accept(
        body, traceparent="00-1-2-01"
    )
    assert receipt.model_dump() == {"accepted": 3, "rejected": []}
    assert [[(m.partition, m.key) for m in stage] for stage in log.published] == [
        [(log.published[0][0].partition, b"customer-1")],
        [(0, None), (1, None), (2, None)],
        [(log.published[0][0].partition, b"customer-1")],
    ]
    assert {m.traceparent for stage in log.published for m in stage} == {b"00-1-2-01"}


@pytest.mark.parametrize("fails_at", [0, 1, 2])
async def test_nothing_counts_when_a_part_was_not_acknowledged(fails_at: int) -> None:
    body = json.dumps([EVENT, TICK, EVENT]).encode()
    with pytest.raises(Problem) as raised:
        await EventService(settings(clock="log"), _Log(fails_at=fails_at)).accept(body)
    assert (raised.value.status, raised.value.code) == (503, "not_acknowledged")
    assert raised.value.retry_after is not None
