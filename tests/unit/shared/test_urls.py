"""Values in the path of an address, and addresses that are shown."""

import pytest

from shared.urls import segment, without_account


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


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db:5432/shop",
        "postgresql://me@db:5432/shop",
        "postgresql://me:p%40ss@db:5432/shop",
        "postgresql://me:p@ss@db:5432/shop",
        "postgresql://db:5432/shop?user=me&password=p",
    ],
)
def test_an_address_is_shown_without_the_account(url: str) -> None:
    assert without_account(url) == "postgresql://db:5432/shop"
