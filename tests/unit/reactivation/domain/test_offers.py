"""Codes: how they are made and read, and what the till may do with them."""

from datetime import datetime, timedelta
from functools import partial
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reactivation.domain import codes, offers
from services.reactivation.domain.offers import Code, OfferState, Refusal, confirm, release
from tests.support.winback_lives import START, day, fold, lapse, offer_of

NOW = START
LATER = NOW + timedelta(minutes=30)
EXPIRY = NOW + timedelta(days=30)
FRESH = Code(offer_of(fold(lapse(0), until=day(0))[0]), None)
reserve = partial(offers.reserve, customer="ada")
BODIES = st.text(codes.ALPHABET, min_size=16, max_size=16)


def after(outcome: Code | Refusal) -> Code:
    assert isinstance(outcome, Code)
    return outcome


RESERVED = after(reserve(FRESH, "o1", NOW, 30))
REDEEMED = after(confirm(RESERVED, "o1", NOW))
BACK = REDEEMED._replace(used_for=None)
TAKEN = after(offers.reserve(RESERVED, "o2", LATER, 30, customer="ben"))


@given(st.uuids(), st.binary(min_size=1), st.binary(min_size=1))
def test_a_code_is_the_same_again_and_differs_by_secret(
    case: UUID, secret: bytes, other: bytes
) -> None:
    code = codes.code_of(case, secret)
    assert code == codes.code_of(case, secret)
    assert codes.is_well_formed(code)
    # HMAC pads a short key with zeros.
    assert (code == codes.code_of(case, other)) == (secret.rstrip(b"\0") == other.rstrip(b"\0"))


def test_codes_of_many_cases_are_all_different() -> None:
    made = {codes.code_of(uuid5(NAMESPACE_OID, str(n)), b"s") for n in range(20_000)}
    assert len(made) == 20_000
    for place in range(codes.LENGTH):
        assert {code[place] for code in made} == set(codes.ALPHABET)


@given(BODIES, st.integers(0, 16), st.sampled_from(codes.ALPHABET))
def test_every_single_mistyped_character_is_found(body: str, place: int, wrong: str) -> None:
    code = body + codes.check_character(body)
    mistyped = code[:place] + wrong + code[place + 1 :]
    assert codes.is_well_formed(mistyped) == (mistyped == code)


def test_a_code_is_read_as_people_write_it() -> None:
    assert codes.canonical("abcd-efgh olI1") == "ABCDEFGH0111"
    assert not codes.is_well_formed("ABC")
    assert not codes.is_well_formed("ß" * codes.LENGTH)


def test_a_reserved_code_answers_its_order_the_same_and_refuses_others() -> None:
    assert reserve(RESERVED, "o1", NOW + timedelta(minutes=5), 30) == RESERVED
    assert reserve(RESERVED, "o2", NOW, 30) is Refusal.ALREADY_RESERVED
    assert confirm(RESERVED, "o2", NOW) is Refusal.ALREADY_RESERVED
    assert release(RESERVED, "o2", NOW) is Refusal.ALREADY_RESERVED


def test_a_reservation_lapses_at_its_last_instant() -> None:
    assert RESERVED.state(LATER - timedelta(microseconds=1)) is OfferState.RESERVED
    assert RESERVED.state(LATER) is OfferState.OPEN
    assert RESERVED.holder(LATER) is None
    assert after(reserve(RESERVED, "o2", LATER, 30)).offer.reserved_for == "o2"
    assert confirm(RESERVED, "o1", LATER) is Refusal.NOT_RESERVED


def test_a_reservation_never_outlives_the_offer() -> None:
    late = after(reserve(FRESH, "o1", EXPIRY - timedelta(minutes=1), 30))
    assert late.offer.reserved_until == EXPIRY
    assert confirm(late, "o1", EXPIRY) is Refusal.OFFER_EXPIRED


def test_a_released_code_is_free_again() -> None:
    free = after(release(RESERVED, "o1", NOW))
    assert free == FRESH
    assert release(free, "o1", NOW) == FRESH
    assert after(reserve(free, "o2", NOW, 30)).offer.reserved_for == "o2"


def test_a_code_must_be_reserved_before_it_is_confirmed() -> None:
    assert confirm(FRESH, "o1", NOW) is Refusal.NOT_RESERVED


def test_a_used_code_stays_used() -> None:
    assert REDEEMED.used_for == "o1"
    assert confirm(REDEEMED, "o1", EXPIRY) == REDEEMED
    assert reserve(REDEEMED, "o1", EXPIRY, 30) == REDEEMED
    assert reserve(REDEEMED, "o2", NOW, 30) is Refusal.ALREADY_REDEEMED
    assert confirm(REDEEMED, "o2", NOW) is Refusal.ALREADY_REDEEMED
    assert release(REDEEMED, "o1", NOW) is Refusal.ALREADY_REDEEMED
    assert REDEEMED.state(EXPIRY) is OfferState.REDEEMED


def test_an_order_that_came_in_with_the_code_has_used_it() -> None:
    used = FRESH._replace(used_for="o1")
    assert reserve(used, "o1", NOW, 30) == used
    assert reserve(used, "o2", NOW, 30) is Refusal.ALREADY_REDEEMED


def test_a_code_that_has_come_back_is_reserved_and_confirmed_anew() -> None:
    for order_id in ("o1", "o2"):
        again = after(confirm(after(reserve(BACK, order_id, NOW, 30)), order_id, NOW))
        assert (again.used_for, len(again.offer.confirmations)) == (order_id, 2)


def test_an_expired_code_cannot_be_reserved_or_confirmed_but_released() -> None:
    assert reserve(FRESH, "o1", EXPIRY, 30) is Refusal.OFFER_EXPIRED
    assert confirm(FRESH, "o1", EXPIRY) is Refusal.OFFER_EXPIRED
    assert release(FRESH, "o1", EXPIRY) == FRESH


@pytest.mark.parametrize(
    ("code", "order_id", "now", "reserver"),
    [
        (FRESH, "o1", NOW, None),
        (RESERVED, "o1", NOW, "ada"),
        (RESERVED, "o2", NOW, None),
        (RESERVED, "o1", LATER, None),
        (after(offers.reserve(RESERVED, "o1", NOW, 30, customer="ben")), "o1", NOW, "ada"),
        (after(release(RESERVED, "o1", NOW)), "o1", NOW, None),
        (TAKEN, "o1", LATER, None),
        (TAKEN, "o2", LATER, "ben"),
        (REDEEMED, "o1", NOW, "ada"),
        (REDEEMED, "o1", EXPIRY, "ada"),
        (REDEEMED, "o2", NOW, None),
        (BACK, "o1", NOW, None),
        (RESERVED._replace(used_for="o2"), "o1", NOW, None),
        (RESERVED._replace(used_for="o2"), "o2", NOW, None),
        (FRESH._replace(used_for="o1"), "o1", NOW, None),
    ],
)
def test_who_reserved_a_code_is_known_while_the_order_has_it(
    code: Code, order_id: str, now: datetime, reserver: str | None
) -> None:
    assert code.reserver(order_id, now) == reserver
