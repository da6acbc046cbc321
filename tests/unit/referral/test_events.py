"""What referral reads out of customer-events."""

from typing import Any

import pytest

from services.referral.domain.people import MergeDecision
from services.referral.events import ShopEvent, read
from shared.events.envelope import decode
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.support.builders import day, encode, event, order

SIGN_UP = event("ada", "customer.signed_up", 0, referral_code="BEN")
ORDER = order("ada", 1, referral_code="BEN")
MERGE = event("ada", "customer.merged", 2, into="eva")


@pytest.mark.parametrize("told", [SIGN_UP, ORDER])
def test_an_event_is_read_under_the_id_that_it_was_sent_for_and_not_again_when_forwarded(
    told: dict[str, Any],
) -> None:
    first = read(CUSTOMER_EVENTS, decode(encode(told)))
    assert isinstance(first, ShopEvent)
    assert first.code == "BEN"
    forwarded = {**told, "subject": "eva", "mergedfrom": "ada"}
    assert read(CUSTOMER_EVENTS, decode(encode(forwarded))) is None


def test_a_merge_names_who_stays_and_an_unmerge_nobody() -> None:
    merged = read(CUSTOMER_EVENTS, decode(encode(MERGE)))
    assert merged == MergeDecision(day(2), "/shop", MERGE["id"], "eva")
    told = event("ada", "customer.unmerged", 3, id="u")
    assert read(CUSTOMER_EVENTS, decode(encode(told))) == MergeDecision(day(3), "/shop", "u", None)


@pytest.mark.parametrize("told", [SIGN_UP, ORDER, MERGE], ids=lambda told: str(told["type"]))
def test_what_a_shop_sends_as_a_test_says_nothing(told: dict[str, Any]) -> None:
    real = {**told, "data": told["data"] | {"test": False}}
    test = {**told, "data": told["data"] | {"test": True}}
    assert read(CUSTOMER_EVENTS, decode(encode(real))) is not None
    assert read(CUSTOMER_EVENTS, decode(encode(test))) is None
