"""Track calls: money to the last digit, and errors in the sender's own words."""

import json
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import catalogue, segment
from shared.events.catalogue import InvalidEvent
from shared.events.money import CURRENCIES, EXPONENTS, MAX_AMOUNT

CALL: Final[dict[str, Any]] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "customer-1",
    "messageId": "m-1",
    "timestamp": "2024-05-01T12:00:00Z",
    "properties": {"order_id": "o-1", "total": 19.99, "currency": "EUR"},
}
ABSENT: Final = msgspec.UNSET


def changed(base: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {name: value for name, value in (base | changes).items() if value is not ABSENT}


def call(**changes: object) -> bytes:
    return json.dumps(changed(CALL, **changes)).encode()


def properties(**changes: object) -> dict[str, Any]:
    return {"properties": changed(CALL["properties"], **changes)}


def of_total(literal: str, currency: str = "EUR") -> bytes:
    return call(**properties(total="#", currency=currency)).replace(b'"#"', literal.encode())


def translated(raw: bytes) -> dict[str, Any]:
    found = segment.read(raw)
    assert found is not None
    try:
        event: dict[str, Any] = json.loads(catalogue.canonical(found.event)[1])
    except InvalidEvent as refused:
        raise found.in_sender_terms(refused) from None
    return event


def refused(raw: bytes) -> tuple[str, str]:
    with pytest.raises(InvalidEvent) as raised:
        translated(raw)
    assert raised.value.field_error.message
    return raised.value.code, raised.value.field_error.field


@pytest.mark.parametrize(
    ("literal", "currency", "amount"),
    [
        ("19.99", "EUR", 1999), ("19.990", "EUR", 1999), ("20", "EUR", 2000), ("0", "EUR", 0),
        ("0.1", "EUR", 10),
        ("1.1e2", "EUR", 11000), ("500", "JPY", 500), ("500.0", "JPY", 500), ("1.234", "KWD", 1234),
        ("90071992547409.91", "EUR", 9007199254740991), ("1.005e0", "TND", 1005),
    ],
)  # fmt: skip
def test_decimals_become_minor_units_by_the_exponent_of_the_currency(
    literal: str, currency: str, amount: int
) -> None:
    assert translated(of_total(literal, currency))["data"]["total"] == {
        "amount": amount,
        "currency": currency,
    }


@pytest.mark.parametrize(
    ("literal", "currency"),
    [
        ("19.999", "EUR"), ("0.30000000000000004", "EUR"), ("500.5", "JPY"), ("1.2345", "KWD"),
        ("-0.01", "EUR"), ("90071992547409.93", "EUR"), ("1e300", "EUR"), ("1e999999999", "EUR"),
        ("1e-999999999", "EUR"),
        ("1" * 400, "EUR"), ("true", "EUR"), ('"19.99"', "EUR"), ("[1]", "EUR"), ("{}", "EUR"),
    ],
)  # fmt: skip
def test_a_total_that_is_not_exactly_money_is_refused(literal: str, currency: str) -> None:
    assert refused(of_total(literal, currency)) == ("invalid", "properties.total")


@pytest.mark.parametrize("literal", ["1e9999999999999999999999", "9" * 5000])
def test_a_number_that_nobody_can_hold_is_refused(literal: str) -> None:
    assert refused(of_total(literal)) == ("invalid", "")


@given(st.integers(0, MAX_AMOUNT), st.sampled_from(sorted(EXPONENTS)))
def test_every_amount_survives_as_the_decimal_that_people_write(amount: int, currency: str) -> None:
    literal = f"{Decimal(amount).scaleb(-EXPONENTS[currency]):f}"
    assert translated(of_total(literal, currency))["data"]["total"]["amount"] == amount


REFUSED: Final[list[tuple[dict[str, Any], str, str]]] = [
    ({"event": "Cart Viewed"}, "unknown_type", "event"),
    ({"event": 7}, "unknown_type", "event"),
    ({"userId": ABSENT}, "missing", "userId"),
    ({"userId": ABSENT, "anonymousId": "a-1"}, "missing", "userId"),
    ({"userId": 7}, "invalid", "userId"),
    ({"userId": "a\nb"}, "invalid", "userId"),
    ({"messageId": ABSENT}, "missing", "messageId"),
    ({"messageId": ""}, "invalid", "messageId"),
    ({"timestamp": ABSENT}, "missing", "timestamp"),
    ({"timestamp": "2024-05-01T12:00:00"}, "no_zone", "timestamp"),
    ({"timestamp": "9999-01-01T00:00:00Z"}, "out_of_range", "timestamp"),
    ({"properties": [1]}, "invalid", "properties"),
    ({"properties": ABSENT}, "missing", "properties.total"),
    (properties(order_id=ABSENT), "missing", "properties.order_id"),
    (properties(order_id=1001), "invalid", "properties.order_id"),
    (properties(total=ABSENT), "missing", "properties.total"),
    (properties(currency=ABSENT), "missing", "properties.currency"),
    (properties(currency=""), "missing", "properties.currency"),
    (properties(currency="eur"), "invalid", "properties.currency"),
    (properties(currency="ITL"), "invalid", "properties.currency"),
    (properties(currency=978), "invalid", "properties.currency"),
    (properties(products=["shoe"]), "invalid", "properties.products.0"),
    (properties(return_window_days=-1), "invalid", "properties.return_window_days"),
    ({"event": "Order Refunded", **properties(total=1.234)}, "invalid", "properties.total"),
    ({"event": "Order Cancelled", "properties": {}}, "missing", "properties.order_id"),
    ({"event": "Email Opened", "properties": {"email_id": 7}}, "invalid", "properties.email_id"),
    ({"event": "Product Reviewed", "properties": {"rating": 6}}, "invalid", "properties.rating"),
    (
        {"event": "Product Reviewed", "properties": {"rating": "five"}},
        "invalid",
        "properties.rating",
    ),
    ({"event": "Product Reviewed", "properties": {"rating": 4.4}}, "invalid", "properties.rating"),
    ({"event": "Product Reviewed", "properties": {}}, "missing", "properties.rating"),
]


@pytest.mark.parametrize(("changes", "code", "field"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_refusal_names_the_senders_own_field(
    changes: dict[str, Any], code: str, field: str
) -> None:
    assert refused(call(**changes)) == (code, field)


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"5",
        b'{"type": "identify", "userId": "a"}',
        call(type="page"),
        call(specversion="1.0"),
        call(event=ABSENT),
    ],
)
def test_what_is_no_track_call_is_left_to_others(raw: bytes) -> None:
    assert segment.read(raw) is None


def test_null_and_empty_properties_have_not_been_said_and_others_are_kept() -> None:
    said = properties(
        coupon="", affiliation=None, referral_code="R-1", tax=[1.5, {"a": False}], items_count=0
    )
    data = translated(call(**said))["data"]
    del data["order_id"], data["total"]
    assert data == {"referral_code": "R-1", "tax": [1.5, {"a": False}], "items_count": 0}


def test_a_review_is_public_unless_its_sender_says_otherwise_and_always_a_review() -> None:
    reviewed = {
        "event": "Product Reviewed",
        "properties": {"rating": 5, "kind": "nps", "public": False},
    }
    assert translated(call(**reviewed))["data"] == {"kind": "review", "score": 5, "public": False}


def test_the_type_of_a_call_may_be_left_out() -> None:
    assert translated(call(type=ABSENT)) == translated(call())


def test_every_currency_in_use_has_an_exponent() -> None:
    assert set(EXPONENTS) < CURRENCIES
    assert {EXPONENTS[code] for code in ("EUR", "USD", "MGA", "MRU")} == {2}
    assert {code for code, digits in EXPONENTS.items() if digits == 3} == {
        "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"
    }  # fmt: skip
    assert set(EXPONENTS.values()) == {0, 2, 3}
