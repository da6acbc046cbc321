"""Referral codes: read as they are meant, refused when they are mistyped."""

from hypothesis import given
from hypothesis import strategies as st

from services.referral.domain import codes
from services.referral.domain.codes import ALPHABET, LENGTH, read
from tests.support.referral_codes import code_of

customers = st.text(min_size=1, max_size=128)


@given(customers, st.integers(0, 5))
def test_a_code_is_the_same_each_time_and_reads_as_itself(customer: str, attempt: int) -> None:
    code = code_of(customer, attempt)
    assert code == code_of(customer, attempt)
    assert len(code) == LENGTH + 1
    assert read(code) == code


@given(customers, st.integers(0, LENGTH), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_noticed(customer: str, place: int, other: str) -> None:
    code = code_of(customer)
    wrong = code[:place] + other + code[place + 1 :]
    assert read(wrong) == (code if wrong == code else None)


@given(customers, st.integers(0, LENGTH), st.integers(0, LENGTH))
def test_two_characters_exchanged_are_always_noticed(customer: str, one: int, other: int) -> None:
    code = code_of(customer)
    letters = list(code)
    letters[one], letters[other] = letters[other], letters[one]
    wrong = "".join(letters)
    assert read(wrong) == (code if wrong == code else None)


@given(customers)
def test_case_spaces_hyphens_and_lookalikes_do_not_matter(customer: str) -> None:
    code = code_of(customer)
    typed = f" {code[:3].lower()}-{code[3:6]} {code[6:]}".replace("1", "l")
    assert read(typed) == code


@given(customers)
def test_only_the_secret_makes_a_code(customer: str) -> None:
    made = code_of(customer)
    assert codes.code_of(customer, b"another secret of 24 bytes") != made
    assert codes.code_of(customer, b"") != made


def test_another_attempt_gives_another_code() -> None:
    assert code_of("ann") != code_of("ann", 1)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = read(text)
    assert found is None or set(found) <= set(ALPHABET)
