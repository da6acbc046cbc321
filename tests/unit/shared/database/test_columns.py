"""Rows turned into columns: with and without rows."""

from shared.database.columns import columns_of


def test_rows_become_columns() -> None:
    assert columns_of([("ada", 1), ("bob", 2)], 2) == [["ada", "bob"], [1, 2]]


def test_without_rows_every_column_is_empty() -> None:
    assert columns_of((), 3) == [[], [], []]
