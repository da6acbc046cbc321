"""Identifiers that a retry makes again the same."""

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import stable_id, stable_text


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_the_text_made_directly_is_that_of_the_uuid(parts: list[str]) -> None:
    assert stable_text(*parts) == str(stable_id(*parts))
