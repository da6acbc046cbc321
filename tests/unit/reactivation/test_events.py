"""What reactivation reads from Kafka."""

import contextlib
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings

from services.reactivation.domain.cases import Lapse, case_id
from services.reactivation.domain.codes import code_of
from services.reactivation.domain.history import OrderEvent
from services.reactivation.domain.permissions import Permission, PermissionKind
from services.reactivation.events import (
    REGROUPED,
    RELEASED,
    AnnouncedLapse,
    LapseUpdate,
    LapseWithdrawal,
    LastPart,
    NewHistory,
    read,
)
from shared.errors import Poison
from shared.events.envelope import decode
from shared.identities import Merge
from shared.instants import render
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, WINBACK_EVENTS
from shared.orders.facts import OrderAction, OrderDetails, OrderFact
from tests.support.builders import day, encode, event, order
from tests.support.nearly_golden import as_published, nearly_golden, with_foreign_fields
from tests.support.reactivation_worker import changed, corrected, transition

CODE = code_of(case_id("ada", Lapse(day(1), "fell_silent", "inactive")), b"secret")
AS_TYPED = f"{CODE[:4]}-{CODE[4:]}".lower()
MISTYPED = CODE[:-1] + ("1" if CODE[-1] != "1" else "2")


@settings(max_examples=300, deadline=None)
@given(nearly_golden())
def test_whatever_ingest_takes_is_read(event: dict[str, Any]) -> None:
    published = as_published(event)
    if published is not None:
        assert not isinstance(read(CUSTOMER_EVENTS, published), LapseUpdate)


def test_a_field_of_another_type_is_the_senders_own() -> None:
    for example in with_foreign_fields():
        published = as_published(example)
        assert published is not None
        assert not isinstance(read(CUSTOMER_EVENTS, published), LapseUpdate)


@settings(max_examples=300, deadline=None)
@given(nearly_golden())
def test_what_did_not_pass_ingest_is_read_or_a_dead_letter(event: dict[str, Any]) -> None:
    with contextlib.suppress(Poison):
        read(CUSTOMER_EVENTS, decode(encode(event)))


def content(topic: str, record: dict[str, Any]) -> object:
    return read(topic, decode(encode(record)))


def lapse(version: int, at: datetime, *, to: str = "inactive") -> AnnouncedLapse:
    return AnnouncedLapse("ada", version, version, at, "fell_silent", to, False)


@pytest.mark.parametrize(
    ("coupon", "kept"),
    [
        (CODE, CODE),
        (AS_TYPED, CODE),
        (MISTYPED, None),
        ("SUMMER10", None),
        (None, None),
    ],
    ids=["as made", "as typed", "mistyped", "another shop's", "none"],
)
def test_an_order_keeps_only_a_coupon_that_could_be_a_code_of_ours(
    coupon: str | None, kept: str | None
) -> None:
    named: dict[str, Any] = {"coupon": coupon} if coupon is not None else {}
    assert codes_of(order("ada", 3, id="o-1", **named)) == ((kept,) if kept else ())


def test_an_order_names_codes_as_coupons_and_as_discounts() -> None:
    other = code_of(case_id("ada", Lapse(day(2), "fell_silent", "inactive")), b"secret")
    named = order("ada", 3, coupons=["X", AS_TYPED], discounts=[{"code": other}, {"code": CODE}])
    assert codes_of(named) == tuple(sorted({CODE, other}))


def codes_of(record: dict[str, Any]) -> tuple[str, ...]:
    said = content(CUSTOMER_EVENTS, record)
    assert isinstance(said, OrderEvent)
    return said.codes


def test_events_about_orders_are_read_with_the_id_they_were_sent_for() -> None:
    said = content(CUSTOMER_EVENTS, event("ada", "order.cancelled", 1, id="e", order_id="o-1"))
    details = OrderDetails("o-1")
    fact = OrderFact(OrderAction.CANCELLED, day(1), "/shop", "e", details, "ada")
    assert said == OrderEvent(fact)


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("customer.signed_up", {}, PermissionKind.SIGNED_UP),
        ("customer.closed", {}, PermissionKind.CLOSED),
        ("newsletter.subscribed", {}, PermissionKind.SUBSCRIBED),
        ("newsletter.unsubscribed", {}, PermissionKind.UNSUBSCRIBED),
        ("consent.granted", {"channel": "email", "purpose": "marketing"}, "consent_granted"),
        ("consent.withdrawn", {"channel": "email", "purpose": "Marketing"}, "consent_withdrawn"),
        ("consent.withdrawn", {}, PermissionKind.CONSENT_WITHDRAWN),
        ("consent.withdrawn", {"channel": "email", "purpose": "invoices"}, None),
    ],
)
def test_what_the_shop_says_of_offers_is_read(
    kind: str, data: dict[str, Any], said: PermissionKind | None
) -> None:
    found = content(CUSTOMER_EVENTS, event("ada", kind, 1, id="e", **data))
    assert (found.kind if isinstance(found, Permission) else found) == said


def test_merges_and_unmerges_are_read_where_they_were_sent_to() -> None:
    merged = event("ada", "customer.merged", 1, id="m", into="ben")
    parted = event("ada", "customer.unmerged", 2, id="u", into="ben")
    assert content(CUSTOMER_EVENTS, merged) == Merge("ada", "ben", day(1), "/shop", "m")
    assert content(CUSTOMER_EVENTS, parted) == Merge("ada", None, day(2), "/shop", "u")


@pytest.mark.parametrize(
    "record",
    [
        order("ada", 3),
        event("ada", "customer.merged", 1, into="ben"),
        event("ada", "consent.withdrawn", 1),
    ],
    ids=lambda record: str(record["type"]),
)
def test_events_that_a_merge_brought_over_and_test_events_say_nothing(
    record: dict[str, Any],
) -> None:
    assert content(CUSTOMER_EVENTS, record) is not None
    assert content(CUSTOMER_EVENTS, {**record, "subject": "ben", "mergedfrom": "ada"}) is None
    tested = {**record, "data": {**record["data"], "test": True}}
    assert content(CUSTOMER_EVENTS, tested) is None


@pytest.mark.parametrize(
    ("to", "orders", "is_lapse"),
    [
        ("inactive", 1, True),
        ("former", 2, True),
        ("at_risk", 1, False),
        ("active", 1, False),
        ("inactive", 0, False),
        ("former", 0, False),
    ],
)
def test_only_a_buyer_who_becomes_inactive_or_former_lapses(
    to: str, orders: int, is_lapse: bool
) -> None:
    found = content(PHASE_TRANSITIONS, changed("ada", 1, 30, to=to, orders=orders))
    assert found == (LapseUpdate([lapse(1, day(30), to=to)], []) if is_lapse else None)


@pytest.mark.parametrize(
    ("from_", "rule", "deadline", "is_lapse"),
    [
        ("new", "relationship_ended", None, True),
        ("at_risk", "relationship_ended", day(30), True),
        ("at_risk", "relationship_ended", None, False),
        ("prospect", "relationship_ended", None, False),
        ("inactive", "relationship_ended", day(30), False),
        ("prospect", "prospect_faded", day(30), False),
    ],
)
def test_who_has_had_a_contract_has_bought_even_without_an_order(
    from_: str, rule: str, deadline: datetime | None, is_lapse: bool
) -> None:
    record = changed("ada", 1, 30, to="former", rule=rule, orders=0)
    record["data"]["from"] = from_
    record["data"]["evidence"] = {} if deadline is None else {"deadline": render(deadline)}
    assert (content(PHASE_TRANSITIONS, record) is not None) == is_lapse


def test_a_correction_withdraws_transitions_and_adds_lapses_with_its_own_version() -> None:
    added = [transition("ada", 1, 28), transition("ada", 2, 29, to="at_risk")]
    found = content(PHASE_TRANSITIONS, corrected("ada", 3, 30, withdrawn=[1, 2], added=added))
    assert isinstance(found, LapseUpdate)
    assert [(each.version, each.occurred_at) for each in found.lapses] == [(3, day(28))]
    assert found.withdrawals == [
        LapseWithdrawal("ada", version, version, 3, True) for version in (1, 2)
    ]


def test_a_part_of_a_correction_only_adds_and_the_last_says_what_holds() -> None:
    first = corrected("ada", 8, 30, withdrawn=[], added=[transition("ada", 1, 28)], part=1, parts=3)
    assert content(PHASE_TRANSITIONS, first) == LapseUpdate([_lapse_of(8)], [], is_part=True)
    nothing = corrected("ada", 9, 30, withdrawn=[], added=[], part=2, parts=3)
    assert content(PHASE_TRANSITIONS, nothing) is None
    last = corrected(
        "ada", 10, 30, withdrawn=[2], added=[transition("ada", 1, 28)], part=3, parts=3
    )
    last["data"]["current"] = "inactive"
    assert content(PHASE_TRANSITIONS, last) == LapseUpdate(
        [_lapse_of(10)],
        [LapseWithdrawal("ada", 2, 2, 10, False)],
        NewHistory("ada", 10),
        LastPart("ada", 8, 10),
    )


def test_versions_too_many_to_list_are_void_from_one_on() -> None:
    last = corrected("ada", 90, 30, withdrawn=[], part=2, parts=2, withdrawn_from=7)
    found = content(PHASE_TRANSITIONS, last)
    assert isinstance(found, LapseUpdate)
    assert found.withdrawals == [LapseWithdrawal("ada", 7, 88, 90, True)]


def _lapse_of(version: int) -> AnnouncedLapse:
    """The one that `transition("ada", 1, 28)` adds in the record of a version."""
    return lapse(version, day(28))._replace(position=1)


@pytest.mark.parametrize(
    ("topic", "record"),
    [
        (CUSTOMER_EVENTS, event("ada", "page.viewed", 1)),
        (WINBACK_EVENTS, event("ada", "case.opened", 1)),
    ],
    ids=["a page view", "an announcement of its own"],
)
def test_other_records_say_nothing(topic: str, record: dict[str, Any]) -> None:
    assert content(topic, record) is None


@pytest.mark.parametrize("kind", [RELEASED, REGROUPED])
def test_internal_requests_are_read_from_their_own_topic_only(kind: str) -> None:
    request = event("ada", kind, 1)
    assert content(WINBACK_EVENTS, request) is kind
    assert content(CUSTOMER_EVENTS, request) is None


def test_a_history_that_begins_is_noticed() -> None:
    first = changed("ada", 4, 30, to="prospect", orders=0)
    first["data"]["from"] = None
    assert content(PHASE_TRANSITIONS, first) == LapseUpdate([], [], NewHistory("ada", 4))


@pytest.mark.parametrize(
    "record",
    [
        event("ada", "order.completed", 1, total={"amount": 1, "currency": "EUR"}),
        event("ada", "order.completed", 1, order_id="o-1"),
        event("ada", "customer.merged", 1),
        event("ada", "customer.merged", 1, into="a\x07"),
    ],
    ids=["no order id", "no total", "merged into nobody", "merged into no name"],
)
def test_what_lacks_or_garbles_a_required_field_is_poison(record: dict[str, Any]) -> None:
    with pytest.raises(Poison, match="invalid_data"):
        content(CUSTOMER_EVENTS, record)
