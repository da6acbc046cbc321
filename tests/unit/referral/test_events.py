"""What referral reads out of customer-events."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings

from services.referral.domain.rewards import RewardRevision
from services.referral.events import REWARD_DETERMINED, ShopEvent, read
from shared.errors import Poison
from shared.events.envelope import decode
from shared.identities import Merge
from shared.kafka.topics import CUSTOMER_EVENTS, REFERRAL_EVENTS
from tests.support.builders import day, encode, event, order
from tests.support.nearly_golden import Json, as_published, nearly_golden, with_foreign_fields


@settings(max_examples=300, deadline=None)
@given(nearly_golden())
def test_whatever_ingest_takes_is_read(event: dict[str, Any]) -> None:
    published = as_published(event)
    if published is not None:
        assert not isinstance(read(CUSTOMER_EVENTS, published), RewardRevision)


def test_a_field_of_another_type_is_the_senders_own() -> None:
    for example in with_foreign_fields():
        published = as_published(example)
        assert published is not None
        assert not isinstance(read(CUSTOMER_EVENTS, published), RewardRevision)


@settings(max_examples=300, deadline=None)
@given(nearly_golden())
def test_what_did_not_pass_ingest_is_read_or_a_dead_letter(event: dict[str, Any]) -> None:
    with contextlib.suppress(Poison):
        read(CUSTOMER_EVENTS, decode(encode(event)))


def test_a_text_may_speak_of_u0000() -> None:
    told = order("ada", 1, referral_code="BEN", note="\\u0000")
    assert isinstance(read(CUSTOMER_EVENTS, decode(encode(told))), ShopEvent)


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
    assert merged == Merge("ada", "eva", day(2), "/shop", MERGE["id"])
    told = event("ada", "customer.unmerged", 3, id="u")
    assert read(CUSTOMER_EVENTS, decode(encode(told))) == Merge("ada", None, day(3), "/shop", "u")


@pytest.mark.parametrize("told", [SIGN_UP, ORDER, MERGE], ids=lambda told: str(told["type"]))
def test_what_a_shop_sends_as_a_test_says_nothing(told: dict[str, Any]) -> None:
    real = {**told, "data": told["data"] | {"test": False}}
    test = {**told, "data": told["data"] | {"test": True}}
    assert read(CUSTOMER_EVENTS, decode(encode(real))) is not None
    assert read(CUSTOMER_EVENTS, decode(encode(test))) is None


@pytest.mark.parametrize("data", [{"into": "a\x07"}, {"into": "eva", "test": "yes"}], ids=str)
def test_a_merge_that_other_services_refuse_is_refused_here(data: dict[str, Any]) -> None:
    merged = event("ada", "customer.merged", 2, **data)
    with pytest.raises(Poison, match="invalid_data"):
        read(CUSTOMER_EVENTS, decode(encode(merged)))


RETURN: Json = {
    "time": "2024-01-07T12:00:00Z",
    "source": "/s",
    "id": "r",
    "gone": 100,
    "total": 100,
}
FACTS: Json = {
    "order_id": "o-1",
    "referee": "bob",
    "recommender": "ann",
    "currency": "EUR",
    "total": 5000,
    "earned_at": "2024-01-05T12:00:00Z",
    "available_at": "2024-01-19T12:00:00Z",
    "recommender_reward": 1000,
    "referee_reward": 500,
    "returns": [RETURN],
}
REVISION: Json = {
    "claim_id": "00000000-0000-0000-0000-000000000007",
    "revision": 1,
    "facts": FACTS,
    "earner": "ann",
    "since": "2024-01-05T12:00:00Z",
}


@pytest.mark.parametrize(
    "revision",
    [
        REVISION | {"revision": 2**31},
        REVISION | {"since": "2024-01-05T12:00:00"},
        REVISION | {"earner": "a\nb"},
        REVISION | {"facts": FACTS | {"recommender_reward": 2**53 + 1}},
        REVISION | {"facts": FACTS | {"available_at": "9999-01-01T00:00:00Z"}},
        REVISION | {"facts": FACTS | {"returns": [RETURN | {"gone": 101}]}},
        REVISION | {"facts": FACTS | {"returns": [RETURN | {"gone": 0, "total": 0}]}},
    ],
    ids=[
        "a revision that no column holds",
        "an instant without a zone",
        "an id that cannot be printed",
        "a reward beyond all prices",
        "an instant in the year 9999",
        "more given back than there was",
        "a part of nothing",
    ],
)
def test_what_the_service_tells_itself_is_held_to_bounds_as_well(revision: Json) -> None:
    whole = event("ann", REWARD_DETERMINED, 9)
    assert read(REFERRAL_EVENTS, decode(encode({**whole, "data": REVISION})))
    with pytest.raises(Poison) as poison:
        read(REFERRAL_EVENTS, decode(encode({**whole, "data": revision})))
    assert poison.value.reason == "invalid_data"
