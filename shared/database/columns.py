"""Rows turned into columns, as PostgreSQL's `unnest` takes them."""

from collections.abc import Iterable, Sequence
from typing import Any

from shared.database.connection import Tx


def columns_of(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Return the values of each of `width` columns; empty lists without rows."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]


async def execute_rows(tx: Tx, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement with the columns of `rows` as its arguments; without rows do nothing."""
    if rows:
        await tx.execute(statement, *columns_of(rows, len(rows[0])))
