"""What lifecycle reads from Kafka: all that ingest takes, and nothing beyond its bounds."""

import contextlib
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from shared.errors import Poison
from shared.events import catalogue, envelope
from shared.events.envelope import CONTROL
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.support.builders import encode
from tests.support.customer_events import does

Json = dict[str, Any]

EXAMPLES: Final = Path(__file__).parents[2] / "contract" / "examples"
GOLDEN: Final[list[Json]] = [
    example
    for path in sorted(EXAMPLES.glob("*.v1/*.json"))
    if (example := json.loads(path.read_text()))["type"] not in CONTROL
]
PRICE: Final = {"amount": 100, "currency": "EUR"}
FIELDS: Final = (
    "test", "score", "effective_at", "renews_at", "amount", "total", "margin", "store", "refund_id",
    "replacement_of", "coupon", "severity", "satisfied", "topic", "term_months", "kind", "account",
    "into", "referee",
)  # fmt: skip
"""All that lifecycle reads, though not in every type."""
VALUES: Final = st.sampled_from(
    [None, True, 0, 1, 2, 3, 4.5, 5, 6, 10, 11, -1, 1000.0, 1200, 1201, 2**53, 2**53 + 1, 2**63,
     1e300, 0.5, "", "a", "x" * 200, "x" * 201, "nps", "csat", "exit", "b2b", "b3b", "EUR", "EURO",
     [], {},
     "2024-05-01T12:00Z", "9998-12-31T23:59:59Z", "9999-01-01T00:00:00Z",
     "1900-01-01T00:00:00+01:00", PRICE, [PRICE]]
)  # fmt: skip


def read_event(event: object) -> Happening:
    happening = read(CUSTOMER_EVENTS, envelope.decode(msgspec.json.encode(event)))
    assert isinstance(happening, Happening)
    return happening


@st.composite
def nearly_events(draw: st.DrawFn) -> Json:
    """A golden example whose data differ in a few places."""
    event = copy.deepcopy(draw(st.sampled_from(GOLDEN)))
    data = event.setdefault("data", {})
    for _ in range(draw(st.integers(0, 2))):
        around: Any = draw(st.sampled_from(list(_objects(data))))
        names = [*around, *FIELDS]
        around[draw(st.sampled_from(names))] = copy.deepcopy(draw(VALUES))
    return event


def _objects(part: Json) -> Iterator[Json]:
    yield part
    for inner in part.values():
        if isinstance(inner, dict):
            yield from _objects(inner)


@settings(max_examples=400, deadline=None)
@given(nearly_events())
def test_whatever_ingest_takes_lifecycle_reads(event: Json) -> None:
    try:
        _, value = catalogue.canonical(json.dumps(event).encode())
    except catalogue.InvalidEvent:
        return
    assert isinstance(read(CUSTOMER_EVENTS, envelope.decode(value)), Happening)


@settings(max_examples=400, deadline=None)
@given(nearly_events())
def test_what_did_not_pass_ingest_is_read_or_a_dead_letter(event: Json) -> None:
    with contextlib.suppress(Poison):
        read(CUSTOMER_EVENTS, envelope.decode(json.dumps(event).encode()))


BEYOND: Final[dict[str, Json]] = {
    "a contract that renews in 9999": {
        "type": "contract.concluded",
        "data": {"contract_id": "v", "term_months": 1, "renews_at": "9999-01-01T00:00:00Z"},
    },
    "a notice of 1899": {
        "type": "contract.cancelled",
        "data": {"contract_id": "v", "effective_at": "1899-12-31T00:00:00Z"},
    },
    "a CSAT of 0": {"type": "feedback.submitted", "data": {"kind": "csat", "score": 0}},
    "a CSAT of 4.5": {"type": "feedback.submitted", "data": {"kind": "csat", "score": 4.5}},
    "a review of 4.2": {"type": "feedback.submitted", "data": {"kind": "review", "score": 4.2}},
    "an NPS of 11": {"type": "feedback.submitted", "data": {"kind": "nps", "score": 11}},
    "an NPS without a score": {"type": "feedback.submitted", "data": {"kind": "nps"}},
    "an exit with a score": {"type": "feedback.submitted", "data": {"kind": "exit", "score": 1}},
    "an order above 2^53": {
        "type": "order.completed",
        "data": {"order_id": "o", "total": {"amount": 2**53 + 1, "currency": "EUR"}},
    },
    "an order in no currency": {
        "type": "order.completed",
        "data": {"order_id": "o", "total": {"amount": 1, "currency": ""}},
    },
    "an order with a long id": {
        "type": "order.cancelled",
        "data": {"order_id": "x" * 201},
    },
    "a referral of nobody": {"type": "referral.succeeded", "data": {"referee": ""}},
    "a merge into nobody": {"type": "customer.merged", "data": {"into": ""}},
}


@pytest.mark.parametrize("case", BEYOND)
def test_what_ingest_would_refuse_is_a_dead_letter(case: str) -> None:
    (event,) = does("page.viewed", 0)
    with pytest.raises(Poison) as poison:
        read(CUSTOMER_EVENTS, envelope.decode(encode(event | BEYOND[case])))
    assert poison.value.reason == "invalid_data"


def test_a_whole_number_is_one_with_a_point_as_well() -> None:
    (written,) = does("order.completed", 0, order_id="o", total=PRICE | {"amount": 1000.0})
    (meant,) = does("order.completed", 0, order_id="o", total=PRICE | {"amount": 1000})
    assert read_event(written) == read_event(meant)


def test_a_field_of_another_type_is_the_senders_own() -> None:
    (cancelled,) = does("order.cancelled", 0, order_id="o", total="19.99", amount=5)
    (plain,) = does("order.cancelled", 0, order_id="o")
    assert read_event(cancelled) == read_event(plain)
    (refunded,) = does("order.refunded", 0, order_id="o", amount=PRICE, total=PRICE | {"amount": 7})
    assert read_event(refunded).amount_and_currency == (100, "EUR")
