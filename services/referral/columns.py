"""Rows turned into columns, as PostgreSQL's `unnest` takes them."""

from collections.abc import Iterable, Sequence
from typing import Any


def by_column(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """The values of each of `width` columns; empty lists without rows."""
    columns: list[list[Any]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns
