"""What referral reads out of customer-events."""

from typing import Any

import pytest

from services.referral.events import ShopEvent, read
from shared.events.envelope import decode
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.support.builders import encode, event, order

SIGN_UP = event("ada", "customer.signed_up", 0, referral_code="BEN")


@pytest.mark.parametrize("told", [SIGN_UP, order("ada", 1, referral_code="BEN")])
def test_a_code_is_claimed_once_even_if_the_customer_is_merged_later(told: dict[str, Any]) -> None:
    first = read(CUSTOMER_EVENTS, decode(encode(told)))
    again = read(CUSTOMER_EVENTS, decode(encode({**told, "subject": "eva", "mergedfrom": "ada"})))
    assert isinstance(first, ShopEvent)
    assert first.code == "BEN"
    assert again is None or (isinstance(again, ShopEvent) and again.code is None)


def test_the_orders_of_a_merged_customer_count_as_bought_before() -> None:
    again = read(CUSTOMER_EVENTS, decode(encode({**order("eva", 1), "mergedfrom": "ada"})))
    assert isinstance(again, ShopEvent)
    assert again.order_event is not None
