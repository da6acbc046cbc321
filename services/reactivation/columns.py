"""Statements that take many rows at once, as columns for PostgreSQL's `unnest`."""

from collections.abc import Sequence

from shared.database.connection import Tx


async def execute_rows(tx: Tx, statement: str, rows: Sequence[Sequence[object]]) -> None:
    """Run a statement with the columns of `rows` as its arguments; without rows do nothing."""
    if rows:
        await tx.execute(statement, *columns_of(rows))


def columns_of(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """The values of each column of at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]
