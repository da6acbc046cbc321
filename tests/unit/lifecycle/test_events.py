"""What lifecycle reads from Kafka: all that ingest takes, and nothing beyond its bounds."""

import contextlib
import json
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings

from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from shared.errors import Poison
from shared.events import envelope
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.support.builders import encode
from tests.support.customer_events import does
from tests.support.nearly_golden import (
    PRICE,
    Json,
    as_published,
    nearly_golden,
    with_foreign_fields,
)


def read_event(event: object) -> Happening:
    happening = read(CUSTOMER_EVENTS, envelope.decode(msgspec.json.encode(event)))
    assert isinstance(happening, Happening)
    return happening


@settings(max_examples=400, deadline=None)
@given(nearly_golden())
def test_whatever_ingest_takes_lifecycle_reads(event: Json) -> None:
    published = as_published(event)
    assert published is None or isinstance(read(CUSTOMER_EVENTS, published), Happening)


@settings(max_examples=400, deadline=None)
@given(nearly_golden())
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
    "a merge into what cannot be printed": {"type": "customer.merged", "data": {"into": "a\x07"}},
    "an ended merge beyond the calendar": {
        "type": "customer.merge_ended",
        "data": {
            "customer": "a",
            "time": "9999-12-31T23:59:59-14:00",
            "unmerged": True,
            "source": "s",
            "id": "i",
        },
    },
    "an ended merge of a long id": {
        "type": "customer.merge_ended",
        "data": {
            "customer": "a" * 129,
            "time": "2024-01-01T00:00:00Z",
            "unmerged": True,
            "source": "s",
            "id": "i",
        },
    },
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
    for example in with_foreign_fields():
        published = as_published(example)
        assert published is not None
        assert isinstance(read(CUSTOMER_EVENTS, published), Happening)


def test_a_cancellation_may_carry_a_total_and_a_refund_as_well() -> None:
    (cancelled,) = does("order.cancelled", 0, order_id="o", total="19.99", amount=5)
    (plain,) = does("order.cancelled", 0, order_id="o")
    assert read_event(cancelled) == read_event(plain)
    (refunded,) = does("order.refunded", 0, order_id="o", amount=PRICE, total=PRICE | {"amount": 7})
    assert read_event(refunded).amount_and_currency == (100, "EUR")
