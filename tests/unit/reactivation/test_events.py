"""What reactivation reads from Kafka."""

from datetime import datetime
from typing import Any

import pytest

from services.reactivation.domain.cases import Lapse, case_id
from services.reactivation.domain.codes import code_of
from services.reactivation.events import (
    RELEASED,
    AnnouncedLapse,
    LapseUpdate,
    LapseWithdrawal,
    Purchase,
    read,
)
from shared.errors import Poison
from shared.events.envelope import decode
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, WINBACK_EVENTS
from tests.support.builders import day, encode, event, order
from tests.support.reactivation_worker import changed, corrected, transition

CODE = code_of(case_id("ada", Lapse(day(1), "fell_silent", "inactive")), b"secret")
AS_TYPED = f"{CODE[:4]}-{CODE[4:]}".lower()
MISTYPED = CODE[:-1] + ("1" if CODE[-1] != "1" else "2")


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
        ("", None),
        (None, None),
    ],
    ids=["as made", "as typed", "mistyped", "another shop's", "empty", "none"],
)
def test_an_order_keeps_only_a_coupon_that_could_be_a_code_of_ours(
    coupon: str | None, kept: str | None
) -> None:
    named: dict[str, Any] = {"coupon": coupon} if coupon is not None else {}
    purchase = content(CUSTOMER_EVENTS, order("ada", 3, id="o-1", **named))
    assert isinstance(purchase, Purchase)
    assert (purchase.customer, purchase.time, purchase.order_id) == ("ada", day(3), "o-1")
    assert purchase.coupon == kept


def test_the_same_order_has_the_same_key_and_another_one_another_key() -> None:
    keys = [
        purchase.event_key
        for id_ in ("o-1", "o-1", "o-2")
        if isinstance(purchase := content(CUSTOMER_EVENTS, order("ada", 3, id=id_)), Purchase)
    ]
    assert len(keys) == 3
    assert keys[0] == keys[1] != keys[2]


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


def test_a_correction_withdraws_transitions_and_adds_lapses_with_its_own_version() -> None:
    added = [transition("ada", 1, 28), transition("ada", 2, 29, to="at_risk")]
    found = content(PHASE_TRANSITIONS, corrected("ada", 3, 30, withdrawn=[1, 2], added=added))
    assert isinstance(found, LapseUpdate)
    assert [(each.version, each.occurred_at) for each in found.lapses] == [(3, day(28))]
    assert found.withdrawals == [LapseWithdrawal("ada", 1, 3), LapseWithdrawal("ada", 2, 3)]


@pytest.mark.parametrize(
    ("topic", "record"),
    [
        (CUSTOMER_EVENTS, event("ada", "customer.signed_up", 1)),
        (CUSTOMER_EVENTS, event("ada", "order.cancelled", 1, order_id="o-1")),
        (WINBACK_EVENTS, event("ada", "case.opened", 1)),
    ],
    ids=["a sign-up", "a cancellation", "an announcement of its own"],
)
def test_other_records_say_nothing(topic: str, record: dict[str, Any]) -> None:
    assert content(topic, record) is None


def test_a_request_to_release_a_customer_is_read_from_its_own_topic_only() -> None:
    request = event("ada", RELEASED, 1)
    assert content(WINBACK_EVENTS, request) is RELEASED
    assert content(CUSTOMER_EVENTS, request) is None


def test_an_order_without_its_id_is_poison() -> None:
    with pytest.raises(Poison, match="invalid_data"):
        content(CUSTOMER_EVENTS, event("ada", "order.completed", 1))
