"""Codes: how they are made and read, and what the till may do with them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reactivation.domain import codes
from services.reactivation.domain.cases import Case, History, Lapse, Offer, State, Terms, fold_cases
from services.reactivation.domain.offers import (
    OfferState,
    Refusal,
    confirm,
    order_holding,
    redeemed_for,
    release,
    reserve,
    state_of,
)

NOW = datetime(2024, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)
EXPIRY = NOW + timedelta(days=30)
CASE = fold_cases(History("c1", (Lapse(NOW, "fell_silent", "inactive"),)), Terms(secret=b"s"), NOW)[
    0
]
BODIES = st.text(codes.ALPHABET, min_size=16, max_size=16)


def after(outcome: Offer | Refusal, case: Case = CASE) -> Case:
    assert isinstance(outcome, Offer)
    return replace(case, offer=outcome)


RESERVED = after(reserve(CASE, "o1", NOW, 30))
REDEEMED = after(confirm(RESERVED, "o1", NOW), RESERVED)


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
    made = {codes.code_of(uuid5(CASE.id, str(n)), b"s") for n in range(20_000)}
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
    assert reserve(RESERVED, "o1", NOW + timedelta(minutes=5), 30) == RESERVED.offer
    assert reserve(RESERVED, "o2", NOW, 30) is Refusal.ALREADY_RESERVED
    assert confirm(RESERVED, "o2", NOW) is Refusal.ALREADY_RESERVED
    assert release(RESERVED, "o2", NOW) is Refusal.ALREADY_RESERVED


def test_a_reservation_lapses_at_its_last_instant() -> None:
    assert state_of(RESERVED, LATER - timedelta(microseconds=1)) is OfferState.RESERVED
    assert state_of(RESERVED, LATER) is OfferState.OPEN
    assert order_holding(RESERVED, LATER) is None
    assert after(reserve(RESERVED, "o2", LATER, 30)).offer.reserved_for == "o2"
    assert confirm(RESERVED, "o1", LATER) is Refusal.NOT_RESERVED


def test_a_reservation_never_outlives_the_offer() -> None:
    late = after(reserve(CASE, "o1", EXPIRY - timedelta(minutes=1), 30))
    assert late.offer.reserved_until == EXPIRY
    assert confirm(late, "o1", EXPIRY) is Refusal.OFFER_EXPIRED


def test_a_released_code_is_free_again() -> None:
    free = after(release(RESERVED, "o1", NOW), RESERVED)
    assert free.offer == CASE.offer
    assert release(free, "o1", NOW) == CASE.offer
    assert after(reserve(free, "o2", NOW, 30)).offer.reserved_for == "o2"


def test_a_code_must_be_reserved_before_it_is_confirmed() -> None:
    assert confirm(CASE, "o1", NOW) is Refusal.NOT_RESERVED


def test_a_used_code_stays_used() -> None:
    assert redeemed_for(REDEEMED) == "o1"
    assert confirm(REDEEMED, "o1", EXPIRY) == REDEEMED.offer
    assert reserve(REDEEMED, "o1", EXPIRY, 30) == REDEEMED.offer
    assert reserve(REDEEMED, "o2", NOW, 30) is Refusal.ALREADY_REDEEMED
    assert confirm(REDEEMED, "o2", NOW) is Refusal.ALREADY_REDEEMED
    assert release(REDEEMED, "o1", NOW) is Refusal.ALREADY_REDEEMED
    assert state_of(replace(REDEEMED, state=State.CANCELLED), EXPIRY) is OfferState.REDEEMED


def test_an_order_that_came_in_with_the_code_has_used_it() -> None:
    used = replace(CASE, used_for="o1")
    assert reserve(used, "o1", NOW, 30) == CASE.offer
    assert reserve(used, "o2", NOW, 30) is Refusal.ALREADY_REDEEMED


@pytest.mark.parametrize(
    ("case", "now", "refusal"),
    [
        (CASE, EXPIRY, Refusal.OFFER_EXPIRED),
        (replace(RESERVED, state=State.CANCELLED), NOW, Refusal.OFFER_WITHDRAWN),
    ],
)
def test_what_is_over_cannot_be_reserved_or_confirmed_but_released(
    case: Case, now: datetime, refusal: Refusal
) -> None:
    assert reserve(case, "o1", now, 30) is refusal
    assert confirm(case, "o1", now) is refusal
    assert isinstance(release(case, "o1", now), Offer)
