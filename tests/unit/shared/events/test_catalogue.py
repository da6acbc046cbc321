"""What the catalogue takes and what it refuses, and with which code."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bounds import DEEPEST
from shared.events import catalogue, envelope
from shared.events.money import CURRENCIES

ORDER: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/shop",
    "type": "order.completed",
    "subject": "customer-1",
    "time": "2024-05-01T12:00:00Z",
    "data": {"order_id": "o-1", "total": {"amount": 1999, "currency": "EUR"}},
}
ABSENT: Final = msgspec.UNSET


def order(**changes: object) -> bytes:
    return json.dumps(
        {name: value for name, value in (ORDER | changes).items() if value is not ABSENT}
    ).encode()


def data(**changes: object) -> dict[str, object]:
    return {name: value for name, value in (ORDER["data"] | changes).items() if value is not ABSENT}


def total(amount: object, currency: object = "EUR") -> dict[str, object]:
    return data(total={"amount": amount, "currency": currency})


def feedback(kind: str, score: object) -> dict[str, Any]:
    return {"type": "feedback.submitted", "data": {"kind": kind, "score": score}}


def of(kind: str, /, **content: object) -> dict[str, Any]:
    return {"type": kind, "data": content}


def contract(**changes: object) -> dict[str, Any]:
    value = {"amount": 999, "currency": "EUR"}
    return of(
        "contract.concluded", **{"contract_id": "v", "term_months": 12, "value": value, **changes}
    )


def notice(effective_at: str) -> dict[str, Any]:
    return of("contract.cancelled", contract_id="v", effective_at=effective_at)


REFUSED: Final[list[tuple[dict[str, Any], str, str]]] = [
    ({"type": "order.teleported"}, "unknown_type", "type"),
    ({"type": 5}, "unknown_type", "type"),
    ({"type": ABSENT}, "missing", "type"),
    ({"specversion": "0.3"}, "invalid", "specversion"),
    ({"specversion": ABSENT}, "missing", "specversion"),
    ({"id": ABSENT}, "missing", "id"),
    ({"id": ""}, "invalid", "id"),
    ({"id": "x" * 201}, "invalid", "id"),
    ({"id": 7}, "invalid", "id"),
    ({"id": "a\0"}, "invalid", "id"),
    ({"source": ABSENT}, "missing", "source"),
    ({"source": ""}, "invalid", "source"),
    ({"subject": ABSENT}, "missing", "subject"),
    ({"subject": None}, "invalid", "subject"),
    ({"subject": ""}, "not_a_customer_id", "subject"),
    ({"subject": "  "}, "not_a_customer_id", "subject"),
    ({"subject": " ada"}, "not_a_customer_id", "subject"),
    ({"subject": "ada\t"}, "not_a_customer_id", "subject"),
    ({"subject": "ada\u00a0"}, "not_a_customer_id", "subject"),
    ({"subject": "\u3000ada"}, "not_a_customer_id", "subject"),
    ({"subject": "x" * 129}, "invalid", "subject"),
    ({"subject": "a\nb"}, "invalid", "subject"),
    ({"subject": "a\u202eb"}, "invalid", "subject"),
    ({"time": ABSENT}, "missing", "time"),
    ({"time": "2024-05-01T12:00:00"}, "no_zone", "time"),
    ({"time": 1714564800}, "invalid", "time"),
    ({"time": "1714564800"}, "invalid", "time"),
    ({"time": "2024-02-30T12:00:00Z"}, "invalid", "time"),
    ({"time": "1899-12-31T23:59:59Z"}, "out_of_range", "time"),
    ({"time": "9999-01-01T00:00:00Z"}, "out_of_range", "time"),
    ({"time": "0001-01-01T00:00:00+23:00"}, "out_of_range", "time"),
    ({"historical": "yes"}, "invalid", "historical"),
    ({"datacontenttype": "text/xml"}, "invalid", "datacontenttype"),
    ({"data_base64": "e30="}, "invalid", "data_base64"),
    ({"data": ABSENT}, "missing", "data"),
    ({"data": "text"}, "invalid", "data"),
    ({"data": data(order_id=ABSENT)}, "missing", "data.order_id"),
    ({"data": data(total=ABSENT)}, "missing", "data.total"),
    ({"data": total(-1)}, "invalid", "data.total.amount"),
    ({"data": total(19.99)}, "invalid", "data.total.amount"),
    ({"data": total("1999")}, "invalid", "data.total.amount"),
    ({"data": total(True)}, "invalid", "data.total.amount"),
    ({"data": total(2**53 + 1)}, "invalid", "data.total.amount"),
    ({"data": total(10**400)}, "invalid", "data.total.amount"),
    ({"data": total(1, "eur")}, "invalid", "data.total.currency"),
    ({"data": total(1, "XXQ")}, "invalid", "data.total.currency"),
    ({"data": data(note="a\0b")}, "invalid", "data"),
    ({"type": "clock.ticked", "data": ABSENT}, "invalid", "subject"),
    ({"type": "clock.ticked", "data": ABSENT, "subject": None}, "invalid", "subject"),
    (feedback("nps", 11), "invalid", "data.score"),
    (feedback("nps", -1), "invalid", "data.score"),
    (feedback("csat", 0), "invalid", "data.score"),
    (feedback("review", 6), "invalid", "data.score"),
    (feedback("stars", 5), "invalid", "data.kind"),
    (feedback("nps", 9.5), "invalid", "data.score"),
    (feedback("csat", 4.5), "invalid", "data.score"),
    (feedback("review", 4.2), "invalid", "data.score"),
    (feedback("review", 5.5), "invalid", "data.score"),
    (feedback("review", 0.5), "invalid", "data.score"),
    (feedback("nps", None), "missing", "data.score"),
    (feedback("nps", True), "invalid", "data.score"),
    (feedback("nps", "9"), "invalid", "data.score"),
    (feedback("exit", 1), "invalid", "data.score"),
    (of("feedback.submitted", kind="review"), "missing", "data.score"),
    (of("order.refund_withdrawn", order_id="o-1"), "missing", "data.amount"),
    (of("order.refund_withdrawn", order_id="o-1", refund_id=None), "missing", "data.amount"),
    (of("order.updated", total={"amount": 1, "currency": "EUR"}), "missing", "data.order_id"),
    (of("order.updated", order_id="o", store=""), "invalid", "data.store"),
    (of("message.sent", message_id="m"), "missing", "data.channel"),
    (of("checkout.started"), "missing", "data.checkout_id"),
    (of("engagement.recorded", topic="t"), "missing", "data.kind"),
    (of("feedback.answered"), "missing", "data.feedback_id"),
    (of("consent.granted", channel="email"), "missing", "data.purpose"),
    (of("customer.unmerged", into=ORDER["subject"]), "invalid", "data.into"),
    ({"data": data(test="yes")}, "invalid", "data.test"),
    ({"data": data(discounts=[{"amount": 5}])}, "missing", "data.discounts.0.code"),
    (
        {"data": data(margin={"amount": -(2**53) - 1, "currency": "EUR"})},
        "invalid",
        "data.margin.amount",
    ),
    (
        of("order.refunded", order_id="o-1", amount={"amount": -5, "currency": "EUR"}),
        "invalid",
        "data.amount.amount",
    ),
    (of("complaint.opened", complaint_id="k", severity=4), "invalid", "data.severity"),
    (of("contract.renewed", contract_id="v", term_months=0), "invalid", "data.term_months"),
    (contract(renews_at="2025-05-01T12:00:00"), "no_zone", "data.renews_at"),
    (contract(renews_at="9999-05-01T12:00:00Z"), "out_of_range", "data.renews_at"),
    (contract(value={"amount": -1, "currency": "EUR"}), "invalid", "data.value.amount"),
    (notice("2025-05-01T12:00:00"), "no_zone", "data.effective_at"),
    (notice("9999-12-31T23:59:59-12:00"), "out_of_range", "data.effective_at"),
    (notice("in May"), "invalid", "data.effective_at"),
    (of("customer.merged"), "missing", "data.into"),
    (of("customer.merged", into=ORDER["subject"]), "invalid", "data.into"),
    (of("customer.merged", into="a\nb"), "invalid", "data.into"),
    (of("customer.merged", into=""), "not_a_customer_id", "data.into"),
    (of("customer.merged", into="ada "), "not_a_customer_id", "data.into"),
    (of("customer.unmerged", into="ada "), "not_a_customer_id", "data.into"),
    ({"mergedfrom": "somebody"}, "invalid", "mergedfrom"),
    ({"mergedvia": "[]"}, "invalid", "mergedvia"),
    ({"data": data(items=["shoe"])}, "invalid", "data.items.0"),
]


@pytest.mark.parametrize(("changes", "code", "field"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_refused_by_code_and_field(
    changes: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(catalogue.InvalidEvent) as refused:
        catalogue.canonical(order(**changes))
    assert (refused.value.code, refused.value.field_error.field) == (code, field)
    assert refused.value.field_error.message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xef\xbb\xbf" + order(),
        order(subject="a\ud800"),
        order().replace(b"customer-1", b"\xff"),
        order(note="#").replace(b'"#"', b"[" * 5000 + b"]" * 5000),
    ],
    ids=["nothing", "half", "byte order mark", "lone surrogate", "not UTF-8", "deep"],
)
def test_what_is_not_json_is_unreadable(raw: bytes) -> None:
    with pytest.raises(catalogue.InvalidEvent) as refused:
        catalogue.parse(raw)
    assert refused.value.code == "unreadable"


@pytest.mark.parametrize("raw", [b"5", b'"text"', b"[]", b"null"])
def test_what_is_not_an_object_is_invalid(raw: bytes) -> None:
    with pytest.raises(catalogue.InvalidEvent) as refused:
        catalogue.parse(raw)
    assert (refused.value.code, refused.value.field_error.field) == ("invalid", "")


@pytest.mark.parametrize("subject", ["a/b", "😀", "👨‍👩‍👧", "100 %", "ß?#&", "x" * 128, "顧客"])
def test_a_customer_id_may_be_odd_as_long_as_it_is_printable(subject: str) -> None:
    assert envelope.decode(catalogue.canonical(order(subject=subject))[1]).subject == subject


def test_items_are_a_list_or_only_their_number() -> None:
    for items in (3, 0, [], [{"sku": "a"}]):
        assert (
            json.loads(catalogue.canonical(order(data=data(items=items)))[1])["data"]["items"]
            == items
        )
    for wrong in (-1, "3", 1.5, ["a"]):
        with pytest.raises(catalogue.InvalidEvent):
            catalogue.parse(order(data=data(items=wrong)))


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        (total(19.0), total(19)),
        (data(items=3.0), data(items=3)),
        (data(return_window_days=14.0), data(return_window_days=14)),
        (
            data(margin={"amount": -5.0, "currency": "EUR"}),
            data(margin={"amount": -5, "currency": "EUR"}),
        ),
        (data(new=1.0), data(new=1.0)),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_whole_number_is_one_however_it_is_written(
    sent: dict[str, object], written: dict[str, object]
) -> None:
    assert json.dumps(json.loads(catalogue.canonical(order(data=sent))[1])["data"]) == json.dumps(
        written
    )


@pytest.mark.parametrize(
    ("kind", "score", "written"),
    [("nps", 9.0, "9"), ("nps", 0, "0"), ("review", 4.5, "4.5"), ("review", 5.0, "5")],
)
def test_a_score_is_written_as_short_as_it_can_be(kind: str, score: float, written: str) -> None:
    _, value = catalogue.canonical(order(**feedback(kind, score)))
    assert f'"score":{written}}}'.encode() in value


def test_a_consent_may_be_withdrawn_as_a_whole() -> None:
    assert catalogue.canonical(order(type="consent.withdrawn", data=ABSENT))


def test_an_escaped_backslash_before_u0000_is_text_like_any_other() -> None:
    _, value = catalogue.canonical(order(data=data(note="\\u0000")))
    assert json.loads(value)["data"]["note"] == "\\u0000"


@pytest.mark.parametrize(
    "number",
    [b"1e999", b"-1e999", b"NaN", b"Infinity", b"9" * 400],
    ids=["huge", "hugely negative", "not a number", "infinite", "400 digits"],
)
def test_a_number_that_no_receiver_can_hold_is_refused(number: bytes) -> None:
    for raw in (order(ext="#"), order(data=data(new=[{"a": "#"}]))):
        with pytest.raises(catalogue.InvalidEvent) as refused:
            catalogue.canonical(raw.replace(b'"#"', number))
        assert refused.value.code == "invalid"
    assert catalogue.canonical(order(data=data(new="NaN, -Infinity")))


@pytest.mark.parametrize(("levels", "is_taken"), [(DEEPEST - 2, True), (DEEPEST - 1, False)])
def test_data_may_be_as_deep_as_every_reader_reads(levels: int, is_taken: bool) -> None:
    """The event and its data are two levels."""
    deep = b"[" * levels + b"]" * levels
    raw = order(data=data(new="#")).replace(b'"#"', deep)
    with nullcontext() if is_taken else pytest.raises(catalogue.InvalidEvent) as refused:
        catalogue.canonical(raw)
    if refused is not None:
        assert refused.value.code == "invalid"


def test_unknown_fields_and_extensions_are_kept() -> None:
    _, value = catalogue.canonical(order(ext="e", data=data(new={"a": [1, None, 2.5]})))
    sent = json.loads(value)
    assert (sent["ext"], sent["data"]["new"]) == ("e", {"a": [1, None, 2.5]})


def test_an_error_tells_nothing_of_the_content() -> None:
    with pytest.raises(catalogue.InvalidEvent) as refused:
        catalogue.parse(order(data=data(order_id=["anna@example.org"])))
    assert "anna" not in str(refused.value)


@given(
    moment=st.datetimes(datetime(1900, 1, 3), datetime(9998, 12, 29)),  # noqa: DTZ001
    offset=st.integers(-23 * 60, 23 * 60),
)
def test_an_instant_survives_in_utc_whatever_its_zone(moment: datetime, offset: int) -> None:
    instant = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    _, value = catalogue.canonical(order(time=instant.isoformat()))
    assert json.loads(value)["time"].endswith("Z")
    decoded = envelope.decode(value).time
    assert decoded == instant
    assert decoded.tzinfo is UTC


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.text().filter(lambda t: "\0" not in t),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcdef_", min_size=1), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(
    subject=st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=128),
    amount=st.integers(0, 2**53),
    currency=st.sampled_from(sorted(CURRENCIES)),
    extra=_json,
)
def test_what_goes_in_comes_out(subject: str, amount: int, currency: str, extra: object) -> None:
    sent = ORDER | {"subject": subject, "data": total(amount, currency) | {"extra": extra}}
    _, value = catalogue.canonical(json.dumps(sent).encode())
    assert json.loads(value) == sent
    assert envelope.decode(value).subject == subject
