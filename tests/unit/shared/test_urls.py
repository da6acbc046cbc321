"""Values in the path of an address."""

import pytest

from shared.urls import segment


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("ada", "ada"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("a.b", "a.b"),
        ("ü?#", "%C3%BC%3F%23"),
        (7, "7"),
    ],
)
def test_a_value_is_one_segment_whatever_it_contains(value: object, encoded: str) -> None:
    assert segment(value) == encoded
